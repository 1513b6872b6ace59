"""Shares of failures are taken over the calls of the whole fleet."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.windows import TimeWindow

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit, CircuitConfig
    from simulator.fleet import Fleet
    from simulator.instance import Instance

DECIDED_IN = 1.5
"""Seconds in which the fleet has joined its instances' counts: they report first, then decide."""

_CALM_FOR = 5.0


class MergedRatesOpen(Invariant):
    """When an upstream fails for all, the fleet's calls of a time window are enough to open.

    Where the upstream has failed all calls of a whole window, and the calls in it were as many,
    over all instances, as the rule asks for, the circuit is CLOSED nowhere ``DECIDED_IN`` seconds
    later, if nothing has been disturbed. For rules over a ``TimeWindow`` only: instances do not
    join the last n calls of each.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._ended: dict[str, deque[float]] = {}
        self._well_at: dict[str, float] = {}

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Note when a call ends that is going to fail for certain."""
        key = circuit.key
        ends = self.fleet.now() + 1.5 * self.fleet.scenario.duration
        is_counted = is_shared(circuit) and circuit._core.override.current is None
        if self.fleet.upstreams[key].share_of(instance.number) < 1.0 or not is_counted:
            self._well_at[key] = ends
        self._ended.setdefault(key, deque(maxlen=10_000)).append(ends)

    def changed(self, instance: Instance, change: Any) -> None:
        """Begin anew after a close: a reset or a recovery forgets what was counted."""
        del instance
        if change.new is CircuitState.CLOSED:
            self._ended.pop(change.key, None)

    def look(self) -> Iterator[str]:
        """Look for circuits that should have opened."""
        fleet, now = self.fleet, self.fleet.now()
        needed = [needed_by(instance.config) for instance in fleet.instances]
        if fleet.undisturbed_for() < _CALM_FOR:
            return
        seconds = max(window for window, _ in needed)
        minimum = max(calls for _, calls in needed)
        decided = now - DECIDED_IN
        for key in [key for key in self._ended if self._has_override(key)]:
            del self._ended[key]  # a reset below it forgets them, and shows no change
        for key, ends in self._ended.items():
            # The oldest part of a window leaves as a whole: count what is surely in it.
            count = sum(1 for at in ends if decided - 0.9 * seconds < at <= decided)
            is_failing = self._well_at.get(key, 0.0) < decided - seconds
            if is_failing and count >= minimum:
                for instance in fleet.instances:
                    if instance.breaker.circuit(key)._core.machine.state is CircuitState.CLOSED:
                        yield f"instance {instance.number} has {key} CLOSED at a rate of 1"

    def _has_override(self, key: str) -> bool:
        circuits = [instance.breaker.circuit(key) for instance in self.fleet.instances]
        return any(circuit._core.override.current is not None for circuit in circuits)


def needed_by(config: CircuitConfig) -> tuple[float, int]:
    """Return the window, in seconds, and the calls in it that a configuration asks for."""
    for rule in config.rules:
        if isinstance(rule, FailureRate) and isinstance(rule.window, TimeWindow):
            return rule.window.seconds, rule.minimum_calls
    return math.inf, 0
