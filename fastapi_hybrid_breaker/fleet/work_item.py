"""What there is to do for one circuit, and the requests that come of it."""

from __future__ import annotations

import contextlib
from concurrent.futures import InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import Override, OverrideView

    from .basic_format import BasicUpdate
    from .shared_state import SharedState

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
    "run",
    "vote",
    "votes",
    "lease",
    "heartbeat",
    "instances",
    "time",
]


Wish = Literal["change", "restore", "restore_override", "show", "read", "read_override"]
"""What needs no more than to be wanted: it is made of what is known when its turn comes."""


@dataclass(slots=True)
class Reset:
    """An operator's reset; ``operation`` stays the same however often it is sent."""

    operation: str
    proposal: Proposal | None
    by: str
    reason: str
    ramp: bool
    waiting: list[Future[OverrideView | None]] = field(default_factory=list)


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
class WorkItem:
    """All there is to do for one circuit, in the order in which it is done."""

    reset: Reset | None = None
    override: OverrideOrder | None = None
    change: bool = False
    basic: BasicUpdate | None = None
    restore: bool = False
    restore_override: bool = False
    show: bool = False  # have the basic fields show the effective state
    read: bool = False
    is_live: bool = False  # it is read for a basic message about this moment
    read_override: bool = False
    waiting: list[Future[SharedState | None]] = field(default_factory=list)

    def next_kind(self, now: float) -> Kind | None:
        """Return what comes next; None: nothing, or not yet."""
        if self.reset is not None:
            return "reset"
        if self.override is not None:
            return "override"
        if self.change:
            return "change"
        if self.basic is not None and self.basic.due <= now:
            return "plain"
        for kind in _FLAGS:
            if getattr(self, kind):
                return kind
        return "read" if self.waiting else None

    def is_done(self) -> bool:
        """Whether nothing is left, now or later."""
        return self.basic is None and self.next_kind(0.0) is None

    def read_for_live(self) -> None:
        """Read for a basic message about this moment."""
        self.read = self.is_live = True

    def add_reset(self, reset: Reset) -> None:
        """Reset; the later order serves who waits for an earlier one."""
        if self.reset is not None:
            reset.waiting += self.reset.waiting
        self.reset = reset

    def add_override(self, order: OverrideOrder) -> None:
        """Set or clear an override; as for a reset, the later order serves both."""
        if self.override is not None:
            order.waiting += self.override.waiting
        self.override = order

    def adopt_basic(self, update: BasicUpdate) -> None:
        """Adopt a basic update. The first time set stands, or a stream of them would defer it."""
        if self.basic is None:
            self.basic = update
        else:
            self.basic.may_close = self.basic.may_close or update.may_close

    def forget_basic(self) -> None:
        """Adopt no basic update: one with a version came first."""
        self.basic = None

    def put_back(self, request: Request) -> None:
        """Do again what had no answer, unless something newer of its kind has come."""
        if request.reset is not None:
            newer, self.reset = self.reset, request.reset
            if newer is not None:
                self.add_reset(newer)
        elif request.override is not None:
            later, self.override = self.override, request.override
            if later is not None:
                self.add_override(later)
        elif request.basic is not None:
            newest, self.basic = self.basic, request.basic
            if newest is not None:
                self.adopt_basic(newest)
        elif request.kind == "read":
            self.read = self.read or request.is_applied
            self.is_live = self.is_live or request.is_live
            self.waiting += request.waiting
        else:
            setattr(self, request.kind, True)

    def cut(self, kind: Kind) -> WorkItem:
        """Remove one thing; return what is to be done for it."""
        cut = WorkItem()
        if kind == "reset":
            cut.reset, self.reset = self.reset, None
        elif kind == "override":
            cut.override, self.override = self.override, None
        elif kind == "plain":
            cut.basic, self.basic = self.basic, None
        elif kind == "read":
            cut.read, self.read = self.read, False
            cut.is_live, self.is_live = self.is_live, False
            cut.waiting, self.waiting = self.waiting, []
        else:
            setattr(self, kind, False)
        return cut


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

    ``about`` is for the topic that made it.
    """

    kind: Kind
    key: str
    command: tuple[Any, ...]
    proposal: Proposal | None = None
    reset: Reset | None = None
    override: OverrideOrder | None = None
    basic: BasicUpdate | None = None
    is_applied: bool = False  # a reading that this process applies, beside showing it
    is_live: bool = False  # ... for a basic message about this moment
    waiting: list[Future[Any]] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    about: Any = None


def resolve(future: Future[Any], result: object) -> None:
    """Set the result of a future, unless nobody waits any more."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(result)
