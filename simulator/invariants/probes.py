"""Probes stay within their budget in the whole fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simulator.disturbances import ONLY_MESSAGES

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit
    from simulator.instance import Instance
    from simulator.scenario import Kind
    from simulator.upstream import Probing

_CALM_FOR = 8.0
"""Seconds without a disturbance: a lease lasts 2, and whoever was cut off counts itself so for
some more."""

_HEARD: Final[frozenset[Kind]] = frozenset({"wall"})
"""Disturbances in spite of which all messages come in time."""

_ROUND_TRIP = 0.01
"""Seconds until all others know of a probe. Each way takes 2 ms at most, and another exchange,
there and back, may be under way when it begins."""


class ProbesStayWithinBudget(Invariant):
    """At most ``half_open_max_calls`` probes run at once, over all instances that are connected.

    Beside them run only those that began without a lease, where calls are rare, within one round
    trip of another one: it was not known yet. Without a lease an instance is counted while it
    misses no messages, under one whatever it misses.

    Instances that cannot reach the server probe by themselves and are not counted. While
    configurations differ the greatest budget counts.
    Basic-format clients, who open and close by themselves while probes run, keep nobody's budget:
    fleets with them are not looked at.
    """

    def probed(self, instance: Instance, circuit: Circuit, probe: Probing) -> None:
        """Count the probes that run with this one."""
        fleet, key = self.fleet, circuit.key
        if fleet.scenario.speakers or not self._counts(probe, key):
            return
        hears = self._is_well(instance.number, _HEARD)
        others = fleet.upstreams[key].probing
        running = [
            probe,
            *(one for one in others if self._counts(one, key) and (hears or one.has_lease)),
        ]
        together = sum(1 for one in running if not one.has_lease and _has_company(one, running))
        budget = max(one.config.probe_places for one in fleet.instances)
        if len(running) - together > budget:
            self.found.append(
                f"{len(running)} probes of {key} at once, {budget} at most:"
                f" the last by instance {instance.number}"
            )

    def _counts(self, probe: Probing, key: str) -> bool:
        """Whether whoever probes is connected, and hears what it needs to hear."""
        ignoring = ONLY_MESSAGES if probe.has_lease else _HEARD
        shares = is_shared(self.fleet.instances[probe.caller].breaker.circuit(key))
        return shares and self._is_well(probe.caller, ignoring)

    def _is_well(self, number: int, ignoring: frozenset[Kind]) -> bool:
        return self.fleet.undisturbed_for(number, ignoring) >= _CALM_FOR


def _has_company(probe: Probing, running: list[Probing]) -> bool:
    """Whether another one began within a round trip of it."""
    return any(
        other is not probe and abs(other.since - probe.since) <= _ROUND_TRIP for other in running
    )
