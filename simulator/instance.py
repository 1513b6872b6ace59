"""One instance of a simulated fleet: the production code, on clocks and a network of its own."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.fleet.sync import FleetSync

from .network import SimulatedSource
from .process import Process
from .upstream import Probing, SickError
from .wire import Link

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit

    from .fleet import Fleet

MOST_CIRCUITS = 100


class Instance:
    """A service of several lives: each is a process that knows nothing of the one before."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet = fleet
        self.number = number
        self.config = fleet.scenario.config_of(number)
        self.lives = 0
        self.is_running = False
        self.link = self.new_link()
        self.process: Process
        self.breaker: HybridBreaker
        random = Random(f"{fleet.scenario.seed}/host {number}")
        self.wall = random.uniform(-1, 1) * fleet.scenario.skew
        """Seconds by which the host's wall clock is wrong."""
        self._drift = random.uniform(-1e-4, 1e-4)
        self._began = random.uniform(0, 1e6)

    @property
    def works(self) -> bool:
        """Return whether it serves calls: it lives, and does not stand still."""
        return self.is_running and not self.process.is_paused

    def can_reach_server(self) -> bool:
        """Return whether its commands are answered at present."""
        server = self.fleet.server
        return self.works and server.is_awake and self.link.is_open(server)

    def new_link(self) -> Link:
        """Make its way to the server, as it is without faults."""
        return Link(drops=self.fleet.scenario.drops, lull=self.fleet.scenario.lull)

    def start(self) -> asyncio.Task[Any]:
        """Begin a life."""
        self.lives += 1
        scenario, number = self.fleet.scenario, self.number
        random = Random(f"{scenario.seed}/{number}/{self.lives}")
        self.process = Process(
            began=self._began + self.lives * 1e4, drift=self._drift, wall=self.wall
        )
        # A killed process must not be heard of again, whatever is done to the way of the next.
        self.link = Link(**{**vars(self.link), "is_dead": False})
        self.breaker = HybridBreaker(
            redis=None,
            namespace="circuit",
            defaults=self.config,
            max_circuits=MOST_CIRCUITS,
            clock=self.process.monotonic,
            random=random.random,
        )
        self.breaker._join(
            FleetSync(
                SimulatedSource(self.fleet.server, self.link),
                namespace="circuit",
                registry=self.breaker._registry,
                clock=self.process.monotonic,
                new_instance=lambda: f"instance{number}x{self.lives}",
                new_context=self.process.context.copy,
            )
        )
        process = self.process
        self.breaker.on_change(lambda change: self._note(process, change))
        self.is_running = True
        return self.process.start(self.breaker.start())

    def crash(self) -> None:
        """End at once, without a farewell."""
        self.is_running = False
        self.link.is_dead = True
        self.process.kill()
        if (session := self.breaker._sync._session) is not None:
            session.end()  # else its tasks would be started again

    def set_wall(self, seconds: float) -> None:
        """Set the host's wall clock forward or back."""
        self.wall += seconds
        self.process.wall = self.wall

    def call_soon(self, key: str, duration: float) -> None:
        """Make one call; 0.0: at once, in no time."""
        if duration:
            self.process.start(self._call(key, duration))
        else:
            self.process.context.run(self._call_at_once, key)

    def _call_at_once(self, key: str) -> None:
        circuit = self.breaker.circuit(key)
        fleet, number = self.fleet, self.number
        upstream = fleet.upstreams[key]

        def work() -> None:
            fleet.admitted(self, circuit)
            probe = self._probe(circuit)
            upstream.begin(probe)
            upstream.end(probe)
            upstream.answer(number)

        try:
            circuit.call_sync(work)
        except SickError:
            pass
        except CircuitOpenError:
            fleet.rejected(self, circuit)

    async def _call(self, key: str, duration: float) -> None:
        circuit = self.breaker.circuit(key)
        fleet, number = self.fleet, self.number
        upstream = fleet.upstreams[key]

        async def work() -> None:
            fleet.admitted(self, circuit)
            probe = self._probe(circuit)
            upstream.begin(probe)
            try:
                await asyncio.sleep(duration)
                upstream.answer(number)
            finally:
                upstream.end(probe)

        try:
            await circuit.call(work)
        except SickError:
            pass
        except CircuitOpenError:
            fleet.rejected(self, circuit)

    def _probe(self, circuit: Circuit) -> Probing | None:
        """Make of a call admitted now what it is to its upstream; None: no probe."""
        core = circuit._core
        if core.machine.state is CircuitState.CLOSED or core.override.current is not None:
            return None
        lease = core.machine.probes.lease.current
        has_lease = lease is not None and circuit._clock() < lease.deadline
        probe = Probing(self.number, self.fleet.now(), has_lease)
        self.fleet.probed(self, circuit, probe)
        return probe

    def _note(self, process: Process, change: Any) -> None:
        if not process.is_dead:
            self.fleet.changed(self, change)
