"""What an instance reports of its circuits with each heartbeat, to be shown. No I/O.

Nothing is decided by it. A page can show where a circuit is open and how many calls are rejected
in the fleet, whichever process it asks.
"""

from __future__ import annotations

import heapq
import json
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.states import CircuitState

from .instances import UnhealthyCircuit

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.registry import Registry

MOST: Final = 40
"""Circuits that are reported with one heartbeat."""

LARGEST: Final = 3000
"""Characters that they may take; of the whole, 4096 are read by others."""

AT_ONCE: Final = 50
"""Circuits that are looked at before other tasks of the loop have their turn."""


class _Look:
    """What is found while the circuits are looked at for one heartbeat, some at a time.

    Args:
        keys: those that are still to be looked at.
        seconds: since the last look began.
    """

    def __init__(self, keys: deque[str], seconds: float) -> None:
        self.keys = keys
        self.seconds = seconds
        self.count = 0
        self._found: list[tuple[str, UnhealthyCircuit]] = []

    def add(self, key: str, unhealthy: UnhealthyCircuit) -> None:
        """Add a circuit that is worth reporting; of many the worst are kept."""
        self.count += 1
        self._found.append((key, unhealthy))
        if len(self._found) >= 4 * MOST:
            self._found = self.worst()

    def worst(self) -> list[tuple[str, UnhealthyCircuit]]:
        """Return the worst, as many as are reported, the very worst first."""
        return heapq.nsmallest(MOST, self._found, key=_by_urgency)


class UnhealthyCircuits:
    """The circuits of this process that are worth reporting.

    Args:
        registry: where they are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._watched: dict[str, int] = {}  # calls rejected at the last report
        self._reported_at: float | None = None
        self._look: _Look | None = None

    def changed(self, circuit: Circuit, rejected: int) -> None:
        """Report a circuit from now on: it is not CLOSED, or was not a moment ago.

        ``rejected``: how many calls had been rejected then.
        """
        self._watched.setdefault(circuit.key, rejected)

    def look_on(self, now: float) -> bool:
        """Look at some more circuits for the next report; return whether all were looked at."""
        if self._look is None:
            seconds = math.inf if self._reported_at is None else now - self._reported_at
            self._reported_at = now
            self._look = _Look(deque(self._watched), seconds)
        for _ in range(min(AT_ONCE, len(self._look.keys))):
            self._look_at(self._look.keys.popleft(), self._look)
        return not self._look.keys

    def _look_at(self, key: str, look: _Look) -> None:
        before = self._watched.pop(key, 0)
        circuit = self._registry.get(key)
        if circuit is None:
            return
        state, rejected = circuit.state, circuit.rejected
        is_well = state is CircuitState.CLOSED and rejected == before
        if not is_well or circuit._core.override.current is not None:
            self._watched[key] = rejected
        if not is_well:
            # Fewer than before: forgotten, and made anew.
            new = rejected - before if rejected >= before else rejected
            rate = new / look.seconds if look.seconds > 0 else 0.0
            look.add(key, _unhealthy(circuit, state, rate))

    def report(self, now: float) -> dict[str, Any]:
        """Return what to report, the worst first, as JSON values."""
        while not self.look_on(now):
            pass
        look, self._look = self._look, None
        found, count = ([], 0) if look is None else (look.worst(), look.count)
        reported: dict[str, list[Any]] = {}
        ready: list[str] = []  # apart, as other versions know pairs only
        shadow: dict[str, list[int]] = {}
        room = LARGEST
        for key, unhealthy in found:
            times = 1 + unhealthy.ready_to_probe + (unhealthy.shadowed is not None)
            room -= (len(json.dumps(key)) + 30) * times
            if room < 0:
                break
            reported[key] = [unhealthy.state, round(unhealthy.rejecting, 1)]
            if unhealthy.ready_to_probe:
                ready.append(key)
            if unhealthy.shadowed is not None:
                shadow[key] = [unhealthy.shadowed, unhealthy.shadowed_failures]
        more = {name: about for name, about in (("ready", ready), ("shadow", shadow)) if about}
        return {"circuits": reported, "more": count - len(reported), **more}


def _unhealthy(circuit: Circuit, state: CircuitState, rejecting: float) -> UnhealthyCircuit:
    is_ready, stats = circuit.is_ready_to_probe(), circuit.stats()
    is_fixed = stats.override is not None and stats.override.kind.state is not None
    if stats.mode != "shadow" or is_fixed:
        return UnhealthyCircuit(state, rejecting, is_ready)
    return UnhealthyCircuit(state, rejecting, is_ready, stats.shadowed, stats.shadowed_failures)


def _by_urgency(reported: tuple[str, UnhealthyCircuit]) -> tuple[bool, bool, float, str]:
    key, unhealthy = reported
    is_closed = unhealthy.state is CircuitState.CLOSED
    return is_closed, unhealthy.ready_to_probe, -unhealthy.rejecting, key
