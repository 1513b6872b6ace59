"""What every adapter gives: breakers with the same settings, and the ways to call under them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

Rule = Literal["default", "rates"]
"""``default``: failures in a row, or what the peer does unless configured. ``rates``: half of
the calls of the last ten seconds fail, or take longer than two seconds."""

LONG = 3600.0
SHORT = 0.000_001
MANY = 1_000_000

AsyncCall = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Setting:
    """How a breaker is to be set up.

    Args:
        rule: what opens it.
        trips: False: it never opens, however many calls fail.
        open_seconds: how long it stays open.
        successes: probes that close it; a peer that knows no such number ignores it.
        redis: where it keeps its state; None: in memory.
        key: its name there.
    """

    rule: Rule = "default"
    trips: bool = True
    open_seconds: float = LONG
    successes: int = 2
    redis: str | None = None
    key: str = "bench"

    @property
    def threshold(self) -> int:
        """Failures in a row that open it."""
        return 5 if self.trips else MANY

    @property
    def minimum_calls(self) -> int:
        """Calls below which a rate says nothing."""
        return 10 if self.trips else MANY


@dataclass(frozen=True)
class Ways:
    """How calls are made under one breaker; None: the peer has no such way.

    Args:
        call: ``await call(fn, *args)``.
        decorate: gives a guarded async function for an async function.
        block: gives what is entered with ``async with``.
        call_sync: ``call_sync(fn, *args)``.
        decorate_sync: gives a guarded function for a function.
        is_closed: whether it is closed, where a peer has one to ask for in this process.
        close: ends what runs in the background.
    """

    call: AsyncCall | None = None
    decorate: Callable[[AsyncCall], AsyncCall] | None = None
    block: Callable[[], AbstractAsyncContextManager[Any]] | None = None
    call_sync: Callable[..., Any] | None = None
    decorate_sync: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    is_closed: Callable[[], bool] | None = None
    close: Callable[[], Awaitable[object]] | None = None


class Adapter(ABC):
    """One peer. Its module is imported only where the peer is installed."""

    name: ClassVar[str]
    """As on PyPI."""

    rejections: ClassVar[tuple[type[Exception], ...]]
    """What a rejected caller gets."""

    rules: ClassVar[tuple[Rule, ...]] = ("default",)

    probing: ClassVar[Literal["succeeding", "failing"] | None] = "failing"
    """What keeps it half-open: probes that succeed, where it takes as many as it is configured to
    close; or probes that fail and find its (very short) open time at its end again, where the
    first success closes it. None: it has no such state, or its open time is whole seconds."""

    shares: ClassVar[bool] = False
    """Whether it can keep its state in Redis."""

    note: ClassVar[str] = ""
    """What a reader of its figures must know."""

    @abstractmethod
    async def make(self, setting: Setting) -> Ways:
        """Make a breaker, closed and unused."""
