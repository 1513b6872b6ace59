"""Versions never go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .invariant import Invariant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.fleet import Fleet


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
                machine = circuit.machine
                which = (instance.number, instance.lives, circuit.key)
                now = ((machine.version, machine.writer), machine.override_version)
                before = self._seen.get(which, ((0, ""), 0))
                if now[0] < before[0] or now[1] < before[1]:
                    yield (
                        f"instance {instance.number} went back from {before} to {now}"
                        f" on {circuit.key}"
                    )
                self._seen[which] = now
