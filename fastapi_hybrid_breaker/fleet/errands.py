"""What there is to send, one errand per circuit: however often it changes, the newest counts."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import Override

    from .part import Part
    from .wire import Heard

Kind = Literal[
    "reset",
    "override",
    "change",
    "plain",
    "restore",
    "restore_override",
    "show",
    "read",
    "read_override",
    "index_read",
    "index_write",
    "overridden_read",
    "overridden_write",
    "report",
    "confirm",
    "vote",
    "votes",
    "lease",
    "heartbeat",
    "instances",
    "time",
]


@dataclass(slots=True)
class Reset:
    """An operator's reset; ``operation`` stays the same however often it is sent."""

    operation: str
    proposal: Proposal | None
    by: str
    reason: str
    waiting: list[Future[None]] = field(default_factory=list)


@dataclass(slots=True)
class OverrideOrder:
    """An operator's override, or None: its clearing; ``operation`` is as in ``Reset``.

    ``by`` and ``reason`` are those of a clearing: an override has its own.
    """

    operation: str
    override: Override | None
    by: str
    reason: str
    waiting: list[Future[None]] = field(default_factory=list)


@dataclass(slots=True)
class Plain:
    """Plain news to adopt at ``due`` (monotonic seconds), unless versioned news comes first."""

    due: float
    is_live: bool
    may_close: bool


@dataclass(slots=True)
class Errand:
    """All there is to do for one circuit, in the order in which it is done."""

    reset: Reset | None = None
    override: OverrideOrder | None = None
    change: bool = False
    plain: Plain | None = None
    restore: bool = False
    restore_override: bool = False
    show: bool = False  # have the plain fields show what is in force
    read: bool = False
    is_live: bool = False  # it is read for a plain message about this moment
    read_override: bool = False
    waiting: list[Future[Heard | None]] = field(default_factory=list)

    def next_kind(self, now: float) -> Kind | None:
        """Give what comes next, or None: nothing, or not yet."""
        if self.reset is not None:
            return "reset"
        if self.override is not None:
            return "override"
        if self.change:
            return "change"
        if self.plain is not None and self.plain.due <= now:
            return "plain"
        for kind in _FLAGS:
            if getattr(self, kind):
                return kind
        return "read" if self.waiting else None

    def is_done(self) -> bool:
        """Tell whether nothing is left, now or later."""
        return self.plain is None and self.next_kind(0.0) is None


_FLAGS: Final[tuple[Kind, ...]] = (
    "restore",
    "restore_override",
    "show",
    "read",
    "read_override",
)


@dataclass(slots=True)
class Request:
    """One command under way, and what it takes to put it back or to understand its answer.

    ``part`` is whose it is, where it is not of the errands; ``about`` is that part's own.
    """

    kind: Kind
    key: str
    command: tuple[Any, ...]
    proposal: Proposal | None = None
    reset: Reset | None = None
    override: OverrideOrder | None = None
    plain: Plain | None = None
    is_news: bool = False  # a reading that this process takes in, beside showing it
    is_live: bool = False  # ... for a plain message about this moment
    waiting: list[Future[Any]] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    part: Part | None = None
    about: Any = None


def resolve(future: Future[Any], result: object) -> None:
    """Give somebody who waits what came; nobody may wait any more."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(result)


class Errands:
    """The queue of the lane: bounded, one entry per key, filled from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._errands: dict[str, Errand] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._errands)

    def edit(self, key: str, edit: Callable[[Errand], object], *, must: bool = False) -> bool:
        """Change the errand of ``key``; False when it is new and the queue is full.

        ``must`` is for circuits in memory: those are bounded by the registry.
        """
        with self._lock:
            errand = self._errands.get(key)
            if errand is None:
                if len(self._errands) >= self._most and not must:
                    self.refused += 1
                    return False
                errand = self._errands[key] = Errand()
            edit(errand)
            if errand.is_done():
                del self._errands[key]
            return True

    def take(self, now: float, most: int) -> Iterator[tuple[Kind, str, Errand]]:
        """Take the next thing of up to ``most`` circuits off the queue.

        What comes with it is a copy of the errand as it was.
        """
        taken: list[tuple[Kind, str, Errand]] = []
        with self._lock:
            for key, errand in list(self._errands.items()):
                if len(taken) >= most:
                    break
                kind = errand.next_kind(now)
                if kind is None:
                    continue
                taken.append((kind, key, self._cut(errand, kind)))
                # What is left goes to the end of the row: no circuit waits for a busy one.
                del self._errands[key]
                if not errand.is_done():
                    self._errands[key] = errand
        return iter(taken)

    def next_due(self) -> float | None:
        """Give when the next errand may be taken; 0.0 for at once."""
        with self._lock:
            due = None
            for errand in self._errands.values():
                if errand.plain is None or errand.next_kind(errand.plain.due - 1) is not None:
                    return 0.0
                due = errand.plain.due if due is None else min(due, errand.plain.due)
            return due

    @staticmethod
    def _cut(errand: Errand, kind: Kind) -> Errand:
        cut = Errand()
        if kind == "reset":
            cut.reset, errand.reset = errand.reset, None
        elif kind == "override":
            cut.override, errand.override = errand.override, None
        elif kind == "plain":
            cut.plain, errand.plain = errand.plain, None
        elif kind == "read":
            cut.read, errand.read = errand.read, False
            cut.is_live, errand.is_live = errand.is_live, False
            cut.waiting, errand.waiting = errand.waiting, []
        else:
            setattr(errand, kind, False)
        return cut
