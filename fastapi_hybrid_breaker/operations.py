"""What operators want of circuits: in this process at once, and in the whole fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .circuits.host import result_of_reset
from .core.checks import check_text
from .core.keys import check_key

if TYPE_CHECKING:
    from .circuits.host import Reach, ResetResult
    from .circuits.registry import Registry
    from .core.override import Override
    from .fleet.sync import FleetSync


class Operations:
    """Resets and overrides the circuits of one breaker."""

    def __init__(self, registry: Registry, sync: FleetSync) -> None:
        self._registry = registry
        self._sync = sync

    async def reset(
        self, key: str, *, reason: str = "", by: str = "", ramp: bool = False
    ) -> ResetResult:
        """Close a circuit and empty its counts; see ``Circuit.reset``."""
        key = check_key(key)
        by, reason = check_text("by", by, least=0), check_text("reason", reason, least=0)
        circuit = self._registry.get(key)
        proposal = None
        if circuit is not None:
            proposal = circuit._reset_here(by=by, reason=reason, ramp=ramp)
        reach, override = await self._sync.reset(key, proposal, by, reason, ramp=ramp)
        return result_of_reset(key, reach, (circuit and circuit.stats().override) or override)

    async def put(self, key: str, override: Override | None, by: str, reason: str) -> Reach:
        """Set or clear (None) a circuit's override; the values have been checked."""
        circuit = self._registry.get(key)
        if circuit is None:
            self._registry.held.release(key)
        else:
            circuit._put_here(override, by, reason)
        return await self._sync.override(key, override, by, reason)
