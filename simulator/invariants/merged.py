"""Failures of several instances count together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.core.rules import ConsecutiveFailures

from .agreement import NAMES
from .invariant import Invariant, is_shared
from .quorum import quorum_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit
    from simulator.fleet import Fleet
    from simulator.instance import Instance

DECIDED_IN = 1.0
"""Seconds in which the fleet has joined its instances' failures."""

_CALM_FOR = 5.0


class MergedFailuresOpen(Invariant):
    """When an upstream fails for all, the fleet opens after as many failures as one would.

    Counted are calls that failed since the last success on any instance. ``DECIDED_IN`` seconds
    after their number has reached the threshold the circuit is CLOSED nowhere, if nothing has
    been disturbed and the upstream has failed throughout. For rules of failures in a row only.

    Under a quorum the failures of an instance that has opened alone are its vote, and count in no
    run any more: one sick instance would else make a vote of every stray failure elsewhere.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._since: dict[str, tuple[float, int]] = {}
        self._versions: dict[str, str | None] = {}

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Count a call that is going to fail for certain."""
        key, now = circuit.key, self.fleet.now()
        is_counted = is_shared(circuit) and circuit._core.override.current is None
        # A reset of a closed circuit empties the counts too, and is no change of its state.
        before = self._versions.get(key)
        version = self.fleet.server.store.hash(NAMES.hash(key)).get("version")
        self._versions[key] = version
        if version != before:
            self._since.pop(key, None)
        if self.fleet.upstreams[key].share_of(instance.number) < 1.0 or not is_counted:
            self._since.pop(key, None)
            return
        began, count = self._since.get(key, (now, 0))
        threshold = threshold_of(self.fleet)
        self._since[key] = (now if count + 1 == threshold else began, count + 1)

    def changed(self, instance: Instance, change: Any) -> None:
        """Begin anew after a close: a reset or a recovery forgets what was counted."""
        del instance
        is_vote = change.new is CircuitState.OPEN and quorum_of(self.fleet) > 1
        if change.new is CircuitState.CLOSED or is_vote:
            self._since.pop(change.key, None)

    def look(self) -> Iterator[str]:
        """Look for circuits that should have opened."""
        threshold, now = threshold_of(self.fleet), self.fleet.now()
        longest = self.fleet.scenario.duration * 1.5
        for key, (began, count) in tuple(self._since.items()):
            if not any(sickness.share == 1.0 for sickness in self.fleet.upstreams[key].sicknesses):
                del self._since[key]
                continue
            is_due = count >= threshold and now - began >= DECIDED_IN + longest
            if not is_due or self.fleet.undisturbed_for() < _CALM_FOR:
                continue
            del self._since[key]
            for instance in self.fleet.instances:
                circuit = instance.breaker.circuit(key)
                if is_shared(circuit) and circuit._core.machine.state is CircuitState.CLOSED:
                    yield (
                        f"instance {instance.number} has {key} CLOSED"
                        f" after {count} failures in the fleet"
                    )


def threshold_of(fleet: Fleet) -> int:
    """Return the highest threshold of failures in a row; out of reach where a rule is another."""
    rules = [rule for instance in fleet.instances for rule in instance.config.rules]
    runs = [rule.threshold for rule in rules if isinstance(rule, ConsecutiveFailures)]
    return max(runs) if len(runs) == len(rules) else 2**53
