"""What a circuit needs from the breaker it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.override import Override
    from fastapi_hybrid_breaker.core.states import StateChange
    from fastapi_hybrid_breaker.core.surroundings import Surroundings

    from .bell import Bell
    from .circuit_object import Circuit

Reach = Literal["fleet", "queued", "local"]
"""How far a reset or an override has come: stored for the fleet; queued until Redis answers; or
there is no fleet, only this process."""


class Hub(Protocol):
    """The breaker, as its circuits see it."""

    clock: Callable[[], float]
    """Monotonic seconds."""

    bell: Bell | None
    """Rings circuits by that clock; None: nothing does."""

    @property
    def instance(self) -> str:
        """This process's name in the fleet, "" outside of one."""

    random: Callable[[], float]
    """Gives numbers from 0 to 1, for jitter."""

    surroundings: Surroundings
    """How this process stands to its fleet."""

    def stirred(self, circuit: Circuit) -> None:
        """Have the fleet's part look at a circuit; called outside every lock, never raises."""

    def changed(self, circuit: Circuit, change: StateChange) -> None:
        """Tell listeners and the fleet; called outside every lock, never raises."""

    async def reset(self, key: str, *, reason: str = "", by: str = "") -> Reach:
        """Reset a circuit in the whole fleet."""

    async def put(self, key: str, override: Override | None, by: str, reason: str) -> Reach:
        """Set or clear (None) a circuit's override in the whole fleet."""
