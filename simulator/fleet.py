"""The instances of a simulated fleet, their traffic, and what happens to them."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.fleet.sync import FleetSync

from .network import Link, Server, SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import Event, Scenario


class SickError(Exception):
    """What a dependency raises that does not work."""


class Instance:
    """One process: its breaker, its way to the server, its own idea of time."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self.fleet = fleet
        self.number = number
        self.link = Link()
        self.lives = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.breaker: HybridBreaker

    @property
    def is_running(self) -> bool:
        """Tell whether it has not crashed."""
        return bool(self.tasks)

    async def start(self) -> None:
        """Begin a life: a new process, which knows nothing."""
        self.lives += 1
        random = Random(f"{self.fleet.scenario.seed}/{self.number}/{self.lives}")
        loop = asyncio.get_running_loop()
        begins, drift = random.uniform(0, 1e6), random.uniform(-1e-4, 1e-4)

        def clock() -> float:
            return begins + loop.time() * (1 + drift)

        self.breaker = HybridBreaker(
            redis=None, defaults=self.fleet.scenario.config, clock=clock, random=random.random
        )
        self.breaker.sync = FleetSync(
            SimulatedSource(self.fleet.server, self.link),
            namespace="circuit",
            registry=self.breaker.registry,
            clock=clock,
            new_instance=lambda: f"instance{self.number}x{self.lives}",
        )
        self.breaker.on_change(lambda change: self.fleet.note(self, change))
        self.tasks = [asyncio.create_task(self.breaker.start())]
        self.tasks += [
            asyncio.create_task(self._call(key, random)) for key in self.fleet.scenario.keys
        ]

    def crash(self) -> None:
        """End at once, without a farewell."""
        session = self.breaker.sync._session
        for task in [*self.tasks, *(session._tasks if session else [])]:
            task.cancel()
        self.tasks = []

    async def _call(self, key: str, random: Random) -> None:
        """Call a dependency now and then, as its clients do."""
        fleet = self.fleet

        async def work() -> None:
            await asyncio.sleep(0.01)
            if random.random() < fleet.sick.get(key, 0.0):
                raise SickError

        while True:
            await asyncio.sleep(random.expovariate(fleet.scenario.rate))
            await self.link.awake.wait()
            if not fleet.has_traffic:
                continue
            with contextlib.suppress(SickError, CircuitOpenError):
                await self.breaker.circuit(key).call(work)


class Fleet:
    """All instances, the server between them, and a record of what they went through."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.seed)
        self.server = Server(self.random)
        self.sick: dict[str, float] = {}
        self.has_traffic = True
        self.history: list[str] = []
        self.instances = [Instance(self, number) for number in range(scenario.instances)]

    def note(self, instance: Instance, change: Any) -> None:
        """Record a change of state."""
        now = asyncio.get_running_loop().time()
        self.history.append(
            f"{now:7.2f} s  instance {instance.number}: {change.key}"
            f" {change.old} -> {change.new} ({change.cause})"
        )

    async def happen(self, event: Event) -> None:
        """Have an event begin, last and end."""
        loop = asyncio.get_running_loop()
        if event.kind == "failover":
            await asyncio.sleep(max(0.0, event.at - event.value - loop.time()))
            snapshot = self.server.store.snapshot()
        await asyncio.sleep(event.at - loop.time())
        self.history.append(str(event))
        instance = self.instances[event.instance]
        if event.kind in _ORDERS:
            if instance.is_running:
                await _ORDERS[event.kind](instance, event)
        elif event.kind == "flush":
            self.server.store.become(None)
        elif event.kind == "clock":
            self.server.store.offset += event.value
        elif event.kind == "failover":
            self.server.is_up = False
            await asyncio.sleep(event.length)
            self.server.is_up = True
            self.server.restart(snapshot)
        else:
            await self._last(event, instance)

    async def _last(self, event: Event, instance: Instance) -> None:
        server, link = self.server, instance.link
        if event.kind == "sick":
            self.sick[event.key] = event.value
            await asyncio.sleep(event.length)
            self.sick.pop(event.key, None)
        elif event.kind == "down":
            server.is_up = False
            await asyncio.sleep(event.length)
            server.is_up = True
            server.restart()
        elif event.kind == "hang":
            server.awake.clear()
            await asyncio.sleep(event.length)
            server.awake.set()
        elif event.kind == "cut":
            link.is_cut = True
            await asyncio.sleep(event.length)
            link.is_cut = False
        elif event.kind == "pause":
            link.awake.clear()
            await asyncio.sleep(event.length)
            link.awake.set()
        elif event.kind == "crash":
            if instance.is_running:
                instance.crash()
                await asyncio.sleep(event.length)
                await instance.start()
        else:
            name = event.kind.replace(" ", "_")
            setattr(link, name, event.value)
            await asyncio.sleep(event.length)
            setattr(link, name, 0.0)


async def _reset(instance: Instance, event: Event) -> None:
    await instance.breaker.reset(event.key)


async def _override(instance: Instance, event: Event) -> None:
    seconds = event.value or None
    await instance.breaker.override(
        event.key, event.kind, by="operator", reason=str(event.at), seconds=seconds
    )


async def _clear(instance: Instance, event: Event) -> None:
    await instance.breaker.clear_override(event.key, by="operator")


_ORDERS: dict[str, Callable[[Instance, Event], Any]] = {
    "reset": _reset,
    "forced_open": _override,
    "disabled": _override,
    "clear": _clear,
}
