"""The index: which circuits changed when, so that what was missed is found without a scan.

A sorted set of key by version. It is written after the circuits and not together with them, for
the two can live on different nodes of a cluster; whoever knows of a change repairs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.versions import NO_HORIZON, Newest

from .answers import parse_member
from .schedule import Schedule
from .values import MalformedError
from .work_item import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi_hybrid_breaker.throttled_log import ThrottledLog

    from .work_item import Kind

_LIFE: Final = 2 * 86_400
"""Seconds: twice the longest recovery timeout."""

_TIDY_EVERY: Final = 600.0
"""Seconds after which a writing sets the life again and trims, at most."""

_UNTIMED: Final = 0.1
"""Seconds after which is tried again what waits for the server's time."""

_OVERLAP: Final = 60_000_000
"""Microseconds (as versions are): a version can be stored after a slightly higher one."""


PAGE: Final = 200
"""Members that are read or written at once: others wait for more on our loop, and on the server."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a reading goes on, from the newest to the oldest member.

    Members that get a higher score meanwhile are missed. What moves them is a change, of which
    there is a message too.

    Args:
        left: members to read at most.
        top: the highest score; there may be more members of it than have been read.
        skip: members of this score that have been read.
    """

    left: int
    top: str = "+inf"
    skip: int = 0

    def after(self, scores: Sequence[Any], asked: int) -> _Page | None:
        """Return the page after this one, of which ``scores`` came; None: it was the last one."""
        left = self.left - len(scores)
        if len(scores) < asked or left <= 0 or not isinstance(scores[-1], bytes):
            return None
        last = scores[-1]
        same = sum(1 for _ in takewhile(lambda score: score == last, reversed(scores)))
        top = last.decode(errors="replace")
        return _Page(left, top, same + (self.skip if top == self.top else 0))


class Index:
    """What is to be written to the index, and from where on it is to be read.

    Args:
        name: its key in Redis.
        most: members that are kept, and read in all.
        dropped: where malformed members are counted.
        seen: is called with each member, its key and version.
        horizon: returns the highest version that counts by the server's clock.
        schedule: in it stands that there is something to write or to read.
        page: members that are read or written by one command.
    """

    plans: tuple[str, ...] = ("index",)
    kinds: tuple[Kind, ...] = ("index_read", "index_write")

    def __init__(
        self,
        name: str,
        most: int,
        dropped: ThrottledLog,
        seen: Callable[[str, int], None],
        horizon: Callable[[], float],
        schedule: Schedule | None = None,
        *,
        page: int = PAGE,
    ) -> None:
        self._name = name
        self._seen = seen
        self._most = most
        self._dropped = dropped
        self._page_size = page
        self._versions: dict[str, int] = {}
        self._pages: list[tuple[int, _Page]] = []  # to be read, each down to a version
        self._horizon = horizon
        self._schedule = schedule or Schedule()
        self._newest = Newest()
        self._far: list[str] = []  # members whose version is beyond the horizon
        self._tidy_at = float("-inf")

    def note(self, key: str, version: int) -> None:
        """Write a circuit's version."""
        self._versions[key] = version
        self._schedule.note("index", "", 0.0)

    def read_all(self) -> None:
        """Read the whole index; the server may have lost it."""
        self._pages = [(0, _Page(self._most))]
        self._tidy_at = float("-inf")
        self._schedule.note("index", "", 0.0)

    def read_recent(self) -> None:
        """Read what came after the newest known version, or shortly before."""
        first = _Page(self._most)
        begun = [(since, page) for since, page in self._pages if page != first]
        planned = [since for since, page in self._pages if page == first]  # and not begun
        since = max(0, self.newest() - _OVERLAP)
        self._pages = [*begun, (min([since, *planned]), first)]
        self._schedule.note("index", "", 0.0)

    def newest(self) -> int:
        """Return the highest version known that counts."""
        return self._newest.within(self._horizon())

    def due(self, kind: str, key: str, now: float) -> list[Request]:  # noqa: ARG002 - one entry
        """Return the requests; they are off the list until put back."""
        requests = []
        horizon = self._horizon()
        if self._far and horizon < NO_HORIZON:
            # Those that stay up there would be read for ever, and newer ones trimmed for them.
            far, self._far = self._far[: self._page_size], self._far[self._page_size :]
            scores = [part for key in far for part in (_now(horizon), key)]
            lower = ("ZADD", self._name, "XX", "LT", *scores)
            requests.append(Request("index_write", "", lower))
        if self._versions and horizon < NO_HORIZON:
            versions = dict(islice(self._versions.items(), self._page_size))
            for one in versions:
                del self._versions[one]
            scores = [
                part
                for one, version in versions.items()
                for part in (version if version <= horizon else _now(horizon), one)
            ]
            trim = ("ZREMRANGEBYRANK", self._name, 0, -self._most - 1)
            add = ("ZADD", self._name, "GT", *scores)
            requests.append(Request("index_write", "", add, versions=versions))
            if now >= self._tidy_at:
                self._tidy_at = now + _TIDY_EVERY
                requests += [
                    Request("index_write", "", ("EXPIRE", self._name, _LIFE)),
                    Request("index_write", "", trim),
                ]
        pages, self._pages = self._pages, []
        if self._versions or self._far:
            # More than a page; or the first answer is to say what time it is on the server.
            self._schedule.note("index", "", now + _UNTIMED if horizon == NO_HORIZON else 0.0)
        return [*requests, *(self._reading(since, page) for since, page in pages)]

    def _reading(self, since: int, page: _Page) -> Request:
        command = (
            *("ZREVRANGEBYSCORE", self._name, page.top, since),
            *("WITHSCORES", "LIMIT", page.skip, min(page.left, self._page_size)),
        )
        return Request("index_read", "", command, versions={"": since}, about=page)

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""
        if request.kind == "index_write":
            self._versions = request.versions | self._versions
            self._tidy_at = float("-inf")
        else:
            self._pages.append((request.versions[""], request.about))
        self._schedule.note("index", "", 0.0)

    def answered(self, request: Request, answer: Any) -> None:
        """Apply what the index has; the answer to a writing does not matter.

        Raises:
            MalformedError: it is no answer to such a question.
        """
        if request.kind == "index_write":
            return
        if not isinstance(answer, list):
            raise MalformedError("malformed index: not a list")
        if isinstance(page := request.about, _Page):
            asked = min(page.left, self._page_size)
            if (following := page.after(answer[1::2], asked)) is not None:
                self._pages.append((request.versions[""], following))
                self._schedule.note("index", "", 0.0)
        horizon = self._horizon()
        for member, score in zip(answer[::2], answer[1::2], strict=False):
            try:
                found = parse_member(member, score)
            except MalformedError as error:
                self._dropped.warn(str(error))
                continue
            if found.version > horizon:
                self._far.append(found.key)
                self._schedule.note("index", "", 0.0)
            self._newest.note(found.version, horizon)
            self._seen(found.key, found.version)


def _now(horizon: float) -> int:
    return int(horizon - DAY * 1_000_000)
