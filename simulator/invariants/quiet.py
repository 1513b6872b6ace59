"""Healthy calls send nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .invariant import Invariant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.fleet import Fleet
    from simulator.instance import Instance

_STRETCH = 15.0
"""Seconds looked at, and as many before them in which nothing may have happened."""

_AT_MOST = 12.0
"""Commands per instance in a stretch, and as many again per circuit: a repair and heartbeats.
A command per call would be more than twice as many in every scenario with two calls a second."""

_ALONE = 10.0
"""Commands in a stretch for a circuit that is open on one instance only, as one below a manual
override can be for long: that is reported again every five seconds, and what a script asks for the
time counts as well."""


class HealthyCallsSendNothing(Invariant):
    """While nothing fails, only repairs and heartbeats are sent, however many calls there are.

    Looked at in every stretch without faults, changes and sick upstreams. Basic-format clients send
    something with every call, so that scenarios with them are not looked at.
    """

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._began = 0.0
        self._sent = 0

    def look(self) -> Iterator[str]:
        """Count the commands of the present stretch."""
        fleet, now = self.fleet, self.fleet.now()
        sick = any(upstream.sicknesses for upstream in fleet.upstreams.values())
        sent = sum(fleet.server.commands.values())
        if sick or fleet.scenario.noise or fleet.scenario.speakers or self._is_disturbed():
            self._begin(now + _STRETCH, 0)
        elif now < self._began:
            self._sent = sent
        elif now - self._began >= _STRETCH:
            count, seconds = sent - self._sent, now - self._began
            most = len(fleet.instances) * _AT_MOST * (1 + len(fleet.scenario.keys) / 3)
            most += _ALONE * self._open_alone()
            if count > most * seconds / _STRETCH:
                yield f"{count} commands in {seconds:.0f} s of healthy calls"
            self._begin(now, sent)

    def changed(self, instance: Instance, change: Any) -> None:
        """Begin anew: a change and what follows from it is sent."""
        del instance, change
        self._begin(self.fleet.now() + _STRETCH, 0)

    def _open_alone(self) -> int:
        return sum(
            circuit._core.membership.local_only
            for instance in self.fleet.instances
            for circuit in instance.breaker._registry
        )

    def _begin(self, at: float, sent: int) -> None:
        self._began, self._sent = at, sent

    def _is_disturbed(self) -> bool:
        return self.fleet.undisturbed_for() < 1.0
