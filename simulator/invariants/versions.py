"""Versions never go back, and each stands for one state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit, CircuitState
    from simulator.fleet import Fleet
    from simulator.instance import Instance


class VersionsNeverGoBack(Invariant):
    """What an instance knows never gets older, as long as it lives.

    Its version of a circuit, with the writer's name behind it, and its version of the circuit's
    override only rise. Otherwise late or repeated messages could undo a newer change.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._seen: dict[tuple[int, int, str], tuple[tuple[int, str], int]] = {}

    def look(self) -> Iterator[str]:
        """Compare with what was seen before."""
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            for circuit in instance.breaker.registry:
                core = circuit.core
                which = (instance.number, instance.lives, circuit.key)
                now = ((core.membership.version, core.membership.writer), core.override.version)
                before = self._seen.get(which, ((0, ""), 0))
                if now[0] < before[0] or now[1] < before[1]:
                    yield (
                        f"instance {instance.number} went back from {before} to {now}"
                        f" on {circuit.key}"
                    )
                self._seen[which] = now


class OneStateForEachVersion(Invariant):
    """Who knows of the same version by the same writer is in the same state.

    But for who has changed it since and has not told yet, or decided for itself alone. Otherwise
    the repair, which compares versions, would find nothing to mend.
    """

    def look(self) -> Iterator[str]:
        """Compare the instances with each other."""
        seen: dict[tuple[str, int, str], tuple[Instance, CircuitState]] = {}
        for instance in self.fleet.instances:
            if not instance.is_running:
                continue
            ordered = instance.breaker.sync_status().orders
            for circuit in instance.breaker.registry:
                ours, membership = circuit.core.machine.state, circuit.core.membership
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
        and not circuit.core.membership.unsynced
        and not circuit.core.membership.local_only
    )
