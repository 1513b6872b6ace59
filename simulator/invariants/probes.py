"""Probes stay within their budget in the whole fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.disturbances import ONLY_MESSAGES

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit
    from simulator.instance import Instance

_CALM_FOR = 8.0
"""Seconds without a disturbance: a lease lasts 2, and whoever was cut off counts itself so for
some more."""


class ProbesStayWithinBudget(Invariant):
    """At most ``half_open_max_calls`` probes run at once, over all instances that are connected.

    Instances that cannot reach the server probe by themselves and are not counted. While
    configurations differ the greatest budget counts.
    Plain speakers, who open and close by themselves while probes run, keep nobody's budget: fleets
    with them are not looked at.
    """

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Count the probes that run with this one."""
        fleet, key = self.fleet, circuit.key
        if fleet.scenario.speakers or not is_probe(circuit) or not is_shared(circuit):
            return
        if not self._is_connected(instance):
            return
        probing = fleet.upstreams[key].probing
        connected = {
            one.number
            for one in fleet.instances
            if self._is_connected(one) and is_shared(one.breaker.circuit(key))
        }
        running = sum(count for caller, count in probing.items() if caller in connected)
        budget = max(one.config.probe_places for one in fleet.instances)
        if running + 1 > budget:
            self.found.append(
                f"{running + 1} probes of {key} at once, {budget} at most:"
                f" the last by instance {instance.number}"
            )

    def _is_connected(self, instance: Instance) -> bool:
        """Tell whether its commands have been answered for a while; messages may get lost."""
        return self.fleet.undisturbed_for(instance.number, ONLY_MESSAGES) >= _CALM_FOR


def is_probe(circuit: Circuit) -> bool:
    """Tell whether a call admitted now is a probe."""
    machine = circuit.machine
    return machine.override is None and machine.state.value != "CLOSED"
