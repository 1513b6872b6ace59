"""A simulated fleet: its members, their server and upstreams, and a record of what they did."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from .disturbances import NONE_AT_ALL, Disturbances
from .instance import Instance
from .server.server import Server
from .speaker import Speaker
from .traffic import Traffic
from .upstream import Probing, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker import Circuit

    from .scenario import Kind, Scenario


class Fleet:
    """All that takes part in a simulation. To be made in a running virtual event loop.

    Args:
        scenario: what it is made of; its events are somebody else's business (``events.py``).
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.seed)
        self.server = Server(self.random, most=1_000 * (scenario.instances + 5))
        self.upstreams = {
            key: Upstream(key, Random(f"{scenario.seed}/{key}"), scenario.noise)
            for key in scenario.keys
        }
        self.instances = [Instance(self, number) for number in range(scenario.instances)]
        skew = scenario.speaker_skew
        self.speakers = [
            Speaker(self, scenario.instances + number, self.random.uniform(-1, 1) * skew)
            for number in range(scenario.speakers)
        ]
        self.traffic = Traffic(self)
        self.history: list[str] = []
        self.disturbances = Disturbances()
        self.on_change: list[Callable[[Instance, Any], None]] = []
        self.on_admitted: list[Callable[[Instance, Circuit], None]] = []
        self.on_probed: list[Callable[[Instance, Circuit, Probing], None]] = []
        self.on_rejected: list[Callable[[Instance, Circuit], None]] = []

    def now(self) -> float:
        """Return the simulation's time, seconds."""
        return self.server.loop.time()

    def undisturbed_for(
        self, instance: int | None = None, ignoring: frozenset[Kind] = NONE_AT_ALL
    ) -> float:
        """Return the seconds for which nothing has happened but calls and sick upstreams.

        Args:
            instance: to whom, as what happens to the server does; None: to anyone.
            ignoring: what does not matter.
        """
        last = self.disturbances.last(instance, ignoring)
        return 0.0 if last is None else self.now() - last

    async def start(self) -> None:
        """Start all members, one after the other, and then the traffic."""
        for speaker in self.speakers:
            speaker.start()
        for task in [instance.start() for instance in self.instances]:
            await task
        self.traffic.start()

    async def stop(self) -> None:
        """End all that runs."""
        self.traffic.stop()
        for instance in self.instances:
            if instance.is_running:
                await instance.process.start(instance.breaker.stop())
                instance.crash()
        for speaker in self.speakers:
            speaker.process.kill()

    def note(self, text: str) -> None:
        """Record a line of history, after the time."""
        self.history.append(f"{self.now():7.2f} s  {text}")

    def changed(self, instance: Instance, change: Any) -> None:
        """Record a change of state (called by instances)."""
        self.note(
            f"instance {instance.number}: {change.key} {change.old} -> {change.new}"
            f" ({change.cause})"
        )
        for listener in self.on_change:
            listener(instance, change)

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Report a call that reaches its upstream (called by instances)."""
        for listener in self.on_admitted:
            listener(instance, circuit)

    def probed(self, instance: Instance, circuit: Circuit, probe: Probing) -> None:
        """Report such a call that is a probe, before its upstream counts it."""
        for listener in self.on_probed:
            listener(instance, circuit, probe)

    def rejected(self, instance: Instance, circuit: Circuit) -> None:
        """Report a call that was rejected (called by instances)."""
        self.upstreams[circuit.key].rejected += 1
        for listener in self.on_rejected:
            listener(instance, circuit)
