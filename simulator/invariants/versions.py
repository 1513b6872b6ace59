"""Versions never go back, and each stands for one state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.versions import horizon_at, order

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit, CircuitState
    from simulator.fleet import Fleet
    from simulator.instance import Instance


_HOURS = 3600.0
"""Seconds by which the server's clock must be set for the order of versions to change."""

_TIME_IS_KNOWN_AFTER = 15.0
"""Seconds after which all instances know the server's time, and have handled what came before."""


class VersionsNeverGoBack(Invariant):
    """What an instance knows never gets older, as long as it lives.

    Its version of a circuit, with the writer's name behind it, and its version of the circuit's
    override only rise, in the order that holds by the server's clock. Otherwise late or repeated
    messages could undo a newer change. When that clock is set by days, what is under way was
    ordered by the time before: it is looked at again once all have asked for the time.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._offset, self._known_from = 0.0, 0.0
        self._seen: dict[tuple[int, int, str], tuple[tuple[int, str], int]] = {}

    def look(self) -> Iterator[str]:
        """Compare with what was seen before."""
        store, seconds = self.fleet.server.store, self.fleet.now()
        horizon = horizon_at(store.now())
        if abs(store.offset - self._offset) > _HOURS:
            self._known_from = seconds + _TIME_IS_KNOWN_AFTER
        self._offset = store.offset
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            for circuit in instance.breaker._registry:
                core = circuit._core
                which = (instance.number, instance.lives, circuit.key)
                now = ((core.membership.version, core.membership.writer), core.override.version)
                before = self._seen.get(which, ((0, ""), 0))
                is_older = order(*now[0], horizon) < order(*before[0], horizon)
                is_older = is_older or order(now[1], "", horizon) < order(before[1], "", horizon)
                if is_older and seconds >= self._known_from:
                    yield (
                        f"instance {instance.number} went back from {before} to {now}"
                        f" on {circuit.key}"
                    )
                self._seen[which] = now


class OneStateForEachVersion(Invariant):
    """Who knows of the same version by the same writer is in the same state.

    But for who has changed it since and has not reported it yet, or decided for itself
    alone. Otherwise the repair, which compares versions, would find nothing to mend.
    """

    def look(self) -> Iterator[str]:
        """Compare the instances with each other."""
        seen: dict[tuple[str, int, str], tuple[Instance, CircuitState]] = {}
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            ordered = instance.breaker.sync_status().orders
            for circuit in instance.breaker._registry:
                ours, membership = circuit._core.machine.state, circuit._core.membership
                if not membership.version or circuit.key in ordered or not _tells_all(circuit):
                    continue
                which = (circuit.key, membership.version, membership.writer)
                first, state = seen.setdefault(which, (instance, ours))
                if ours is not state:
                    yield (
                        f"{circuit.key} at version {membership.version} is {state} for instance"
                        f" {first.number} and {ours} for {instance.number}"
                    )


def _tells_all(circuit: Circuit) -> bool:
    return (
        is_shared(circuit)
        and not circuit._core.membership.unsynced
        and not circuit._core.membership.local_only
    )
