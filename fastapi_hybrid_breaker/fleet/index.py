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
from .values import MalformedError
from .work_item import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi_hybrid_breaker.throttled_log import ThrottledLog

_LIFE: Final = 2 * 86_400
"""Seconds: twice the longest recovery timeout."""

_TIDY_EVERY: Final = 600.0
"""Seconds after which a writing sets the life again and trims, at most."""

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
        page: members that are read or written by one command.
    """

    def __init__(
        self,
        name: str,
        most: int,
        dropped: ThrottledLog,
        seen: Callable[[str, int], None],
        horizon: Callable[[], float],
        *,
        page: int = PAGE,
    ) -> None:
        self._name = name
        self._seen = seen
        self._most = most
        self._dropped = dropped
        self._page_size = page
        self._versions: dict[str, int] = {}
        self._since: int | None = None
        self._pages: list[tuple[int, _Page]] = []  # that are left of readings, with their since
        self._horizon = horizon
        self._newest = Newest()
        self._far: list[str] = []  # members whose version is beyond the horizon
        self._tidy_at = float("-inf")

    def next_due(self) -> float | None:
        """Return 0.0 if there is something to write or to read, else None."""
        is_to_write = (self._versions or self._far) and self._horizon() < NO_HORIZON
        return 0.0 if is_to_write or self._pages or self._since is not None else None

    def note(self, key: str, version: int) -> None:
        """Write a circuit's version."""
        self._versions[key] = version

    def read_all(self) -> None:
        """Read the whole index; the server may have lost it."""
        self._since = 0
        self._pages.clear()
        self._tidy_at = float("-inf")

    def read_recent(self) -> None:
        """Read what came after the newest known version, or shortly before."""
        self._since = max(0, self.newest() - _OVERLAP)

    def newest(self) -> int:
        """Return the highest version known that counts."""
        return self._newest.within(self._horizon())

    def take(self, now: float, most: int) -> list[Request]:  # noqa: ARG002 - few, and at once
        """Return the requests; they are off the list until put back."""
        requests = []
        horizon = self._horizon()
        if self._far and horizon < NO_HORIZON:
            # Those that stay up there would be read for ever, and newer ones trimmed for them.
            far, self._far = self._far[: self._page_size], self._far[self._page_size :]
            scores = [part for key in far for part in (_now(horizon), key)]
            lower = ("ZADD", self._name, "XX", "LT", *scores)
            requests.append(Request("index_write", "", lower, topic=self))
        if self._versions and horizon < NO_HORIZON:
            versions = dict(islice(self._versions.items(), self._page_size))
            for key in versions:
                del self._versions[key]
            scores = [
                part
                for key, version in versions.items()
                for part in (version if version <= horizon else _now(horizon), key)
            ]
            trim = ("ZREMRANGEBYRANK", self._name, 0, -self._most - 1)
            add = ("ZADD", self._name, "GT", *scores)
            requests.append(Request("index_write", "", add, versions=versions, topic=self))
            if now >= self._tidy_at:
                self._tidy_at = now + _TIDY_EVERY
                requests += [
                    Request("index_write", "", ("EXPIRE", self._name, _LIFE), topic=self),
                    Request("index_write", "", trim, topic=self),
                ]
        pages, self._pages = self._pages, []
        if self._since is not None:
            pages.append((self._since, _Page(self._most)))
            self._since = None
        return [*requests, *(self._reading(since, page) for since, page in pages)]

    def _reading(self, since: int, page: _Page) -> Request:
        command = (
            *("ZREVRANGEBYSCORE", self._name, page.top, since),
            *("WITHSCORES", "LIMIT", page.skip, min(page.left, self._page_size)),
        )
        return Request("index_read", "", command, versions={"": since}, topic=self, about=page)

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""
        if request.kind == "index_write":
            self._versions = request.versions | self._versions
            self._tidy_at = float("-inf")
        elif isinstance(request.about, _Page):
            self._pages.append((request.versions[""], request.about))
        else:
            since = request.versions[""]
            self._since = since if self._since is None else min(since, self._since)

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
        horizon = self._horizon()
        for member, score in zip(answer[::2], answer[1::2], strict=False):
            try:
                found = parse_member(member, score)
            except MalformedError as error:
                self._dropped.warn(str(error))
                continue
            if found.version > horizon:
                self._far.append(found.key)
            self._newest.note(found.version, horizon)
            self._seen(found.key, found.version)


def _now(horizon: float) -> int:
    return int(horizon - DAY * 1_000_000)
