"""What circuits need from the breaker they belong to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, Protocol, Self

from fastapi_hybrid_breaker.core.peers import Peers

from .listeners import ChangeQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.override import Override, OverrideView
    from fastapi_hybrid_breaker.core.states import Outcome

    from .circuit import Circuit

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

Reach = Literal["fleet", "queued", "local"]
"""How far a reset or an override has come: stored for the fleet; queued until Redis answers; or
there is no fleet, only this process."""


class ResetResult(str):
    """How far a reset has come, as a plain string: ``"fleet"``, ``"queued"`` or ``"local"``.

    A reset ends no manual override. One that is still in force decides what callers meet:

        result = await breaker.reset("inventory-api")
        if result.override is not None:
            print(f"still {result.override.kind}, set by {result.override.by}")
    """

    __slots__ = ("override",)

    override: OverrideView | None
    """The manual override that is still in force, as far as this process knows, or None."""

    def __new__(cls, reach: Reach, override: OverrideView | None = None) -> Self:
        """Make the result of a reset that has come as far as ``reach``."""
        result = super().__new__(cls, reach)
        result.override = override
        return result


def result_of_reset(key: str, reach: Reach, override: OverrideView | None) -> ResetResult:
    """Return the result of a reset, and log which override it has left in force."""
    if override is not None:
        log.warning(
            "circuit %s was reset, but the manual override stays in force: %s by %s (%s)",
            key,
            override.kind,
            override.by,
            override.reason,
        )
    return ResetResult(reach, override)


class CallObserver(Protocol):
    """Hears of the guarded calls of circuits, on their way: quick, safe from threads, never raises.

    It may be called by the collector of garbage, which can finalize a generator that holds a
    permit anywhere: also while this thread holds whatever lock the observer would take.
    """

    def settled(self, circuit: Circuit, outcome: Outcome, seconds: float | None) -> None:
        """Record the end of a call that ran; None: it was not timed from its beginning."""

    def rejected(self, circuit: Circuit, retry_after: float) -> None:
        """Record that a call was rejected; ``retry_after`` is in seconds."""

    def shadowed(self, circuit: Circuit) -> None:
        """Record that a call was let through that only shadow mode kept from being rejected."""

    def shadow_failed(self, circuit: Circuit) -> None:
        """Record that such a call failed."""


class Fleet(Protocol):
    """What circuits report to: called outside of every lock, by any thread, and never raises."""

    changed: Callable[[Circuit], object]
    """Proposes a circuit's change."""

    touched: Callable[[Circuit], object]
    """Looks at what calls have made of a circuit."""

    def called_unstarted(self) -> None:
        """Report a guarded call before any start."""


class Operations(Protocol):
    """What an operator wants of a circuit, here and in the whole fleet."""

    async def reset(
        self, key: str, *, reason: str = "", by: str = "", ramp: bool = False
    ) -> ResetResult:
        """Reset a circuit."""

    async def put(self, key: str, override: Override | None, by: str, reason: str) -> Reach:
        """Set or clear (None) a circuit's override."""


class Host:
    """What all circuits of one breaker have in common.

    Args:
        clock: monotonic seconds.
        random: gives numbers from 0 to 1, for jitter.

    ``peers`` is how this process stands to its fleet; ``changes`` queues changes of state under a
    circuit's lock, and delivers them outside of it. Whoever makes it puts ``fleet`` and
    ``operations`` there, before the first circuit is used.
    """

    __slots__ = ("changes", "clock", "fleet", "operations", "peers", "random")

    fleet: Fleet
    operations: Operations

    def __init__(self, clock: Callable[[], float], random: Callable[[], float]) -> None:
        self.clock: Callable[[], float] = clock
        self.random: Callable[[], float] = random
        self.peers: Peers = Peers()
        self.changes: ChangeQueue = ChangeQueue()
