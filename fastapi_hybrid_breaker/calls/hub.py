"""What a circuit needs from the breaker it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.override import Override
    from fastapi_hybrid_breaker.core.states import Outcome
    from fastapi_hybrid_breaker.core.surroundings import Surroundings

    from .circuit_object import Circuit
    from .listeners import ChangeQueue

Reach = Literal["fleet", "queued", "local"]
"""How far a reset or an override has come: stored for the fleet; queued until Redis answers; or
there is no fleet, only this process."""


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


class Hub(Protocol):
    """The breaker, as its circuits see it."""

    clock: Callable[[], float]
    """Monotonic seconds."""

    changes: ChangeQueue
    """Takes changes of state under a circuit's lock, and delivers them outside of it."""

    @property
    def instance(self) -> str:
        """This process's name in the fleet, "" outside of one."""

    random: Callable[[], float]
    """Gives numbers from 0 to 1, for jitter."""

    surroundings: Surroundings
    """How this process stands to its fleet."""

    def stirred(self, circuit: Circuit) -> None:
        """Have the fleet's part look at a circuit; called outside every lock, never raises."""

    def changed(self, circuit: Circuit) -> None:
        """Have the fleet hear of a circuit's change; called outside every lock, never raises."""

    async def reset(self, key: str, *, reason: str = "", by: str = "", ramp: bool = False) -> Reach:
        """Reset a circuit in the whole fleet."""

    async def put(self, key: str, override: Override | None, by: str, reason: str) -> Reach:
        """Set or clear (None) a circuit's override in the whole fleet."""
