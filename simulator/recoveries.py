"""``python -m simulator.recoveries``: what a recovery costs callers and the server, as a table.

A fleet's upstream fails until its circuit is open everywhere, and is well from then on. Counted
for each recovery: calls rejected after the recovery timeout, probes at once beyond
``half_open_max_calls``, seconds from the first call after the timeout until the first instance is
CLOSED, and the commands that the whole incident cost, from its first failure until all are CLOSED
(heartbeats and the periodic reading of what may have been missed are left out).
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
from collections import Counter
from dataclasses import dataclass, field
from statistics import mean, median
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker import CircuitConfig, CircuitState

from . import loop
from .fleet import Fleet
from .process import wall_clocks
from .run import Defects, prepare
from .scenario import Scenario
from .upstream import Sickness
from .workers import processors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi_hybrid_breaker import Circuit

    from .instance import Instance

KEY: Final = "inventory-api"

_SETTLES: Final = 30.0
"""Seconds after the start before the first incident: round trips are known, and who lives."""

_BETWEEN: Final = 2.0
_LOOK_EVERY: Final = 0.02
_MOST_SECONDS: Final = 600.0

_PERIODIC: Final = frozenset({"heartbeat", "instances", "index_read", "overridden_read"})


@dataclass(frozen=True, slots=True)
class Size:
    """What is measured: a fleet, its traffic, and how many recoveries of it."""

    instances: int
    rate: float
    times: int
    latency: float
    duration: float


@dataclass
class Recovery:
    """One recovery of the fleet's circuit."""

    rejected: int = 0
    began: float | None = None  # the first call after the recovery timeout
    closed: float | None = None
    probed: int = 0  # probes in all
    probes: int = 0  # at once, at most
    commands: Counter[str] = field(default_factory=Counter)

    @property
    def seconds(self) -> float:
        """From the first call until CLOSED."""
        return 0.0 if self.began is None or self.closed is None else self.closed - self.began


HEAD: Final = """\
| instances | calls/s | rejections: median | p95 | most | probes beyond the budget: share | most \
| CLOSED after s: median | most | commands: mean | most | of these for leases |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"""


def row(size: Size, recoveries: list[Recovery]) -> str:
    """Return a row of the table."""
    budget = CircuitConfig().probe_places
    rejected = sorted(one.rejected for one in recoveries)
    beyond = [max(0, one.probes - budget) for one in recoveries]
    seconds = sorted(one.seconds for one in recoveries)
    commands = [sum(one.commands.values()) for one in recoveries]
    leases = mean(one.commands["lease"] for one in recoveries)
    share = sum(1 for one in beyond if one) / len(beyond)
    return (
        f"| {size.instances} | {size.rate:,g} |"
        f" {median(rejected):g} | {rejected[int(0.95 * len(rejected))]} | {rejected[-1]} |"
        f" {share:.0%} | {max(beyond)} |"
        f" {median(seconds):.2f} | {seconds[-1]:.2f} |"
        f" {mean(commands):.0f} | {max(commands)} | {leases:.0f} |"
    )


def measure(size: Size) -> list[Recovery]:
    """Let a fleet recover again and again."""
    scenario = Scenario(
        seed=size.instances,
        instances=size.instances,
        keys=(KEY,),
        configs=(CircuitConfig(recovery_timeout=10.0),),
        rate=size.rate / size.instances,
        duration=size.duration,
        lull=2.4,
    )
    with Defects() as defects, wall_clocks():
        recoveries = loop.run(_play(scenario, size, defects))
    if defects.texts:
        raise RuntimeError(defects.texts[0])
    return recoveries


async def _play(scenario: Scenario, size: Size, defects: Defects) -> list[Recovery]:
    prepare(defects)
    fleet = Fleet(scenario)
    for instance in fleet.instances:
        instance.link.latency = size.latency
    watch = _Watch(fleet)
    await fleet.start()
    for instance in fleet.instances:
        instance.call_soon(KEY, 0.0)  # a first use reads the circuit, which is no part of it
    watch.count_commands()
    await asyncio.sleep(_SETTLES)
    recoveries = [await watch.recovery() for _ in range(size.times)]
    await fleet.stop()
    return recoveries


class _Watch:
    """Sees what happens to a fleet in one recovery after the other."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._now = Recovery()
        fleet.on_rejected.append(self._rejected)
        fleet.on_probed.append(self._probed)
        fleet.on_change.append(self._changed)

    def count_commands(self) -> None:
        """Count what the instances send from now on, by kind."""
        for instance in self._fleet.instances:
            session = instance.breaker._sync._session
            if session is None:
                raise RuntimeError("an instance did not start")
            session.exchange.take = self._counted(session.exchange.take)  # type: ignore[method-assign]

    async def recovery(self) -> Recovery:
        """Open the circuit and close it again."""
        fleet = self._fleet
        await asyncio.sleep(_BETWEEN)
        self._now = recovery = Recovery()
        sickness = Sickness(1.0)
        upstream = fleet.upstreams[KEY]
        upstream.sicknesses.append(sickness)
        await self._until(CircuitState.OPEN)
        upstream.sicknesses.remove(sickness)
        upstream.most_probes_at_once = 0
        await self._until(CircuitState.CLOSED)
        recovery.probes = upstream.most_probes_at_once
        return recovery

    async def _until(self, state: CircuitState) -> None:
        circuits = [one.breaker.circuit(KEY) for one in self._fleet.instances]
        async with asyncio.timeout(_MOST_SECONDS):
            while any(circuit._core.machine.state is not state for circuit in circuits):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_EVERY)

    def _counted(self, take: Any) -> Any:
        def counted(most: int) -> Iterable[Any]:
            requests = take(most)
            kinds = [one.kind for one in requests if one.kind not in _PERIODIC]
            if len(kinds) < len(requests):
                # Sent in any case, with the time; and of one circuit, it reads that one.
                for kind in ("time", "read"):
                    if kind in kinds:
                        kinds.remove(kind)
            self._now.commands.update(kinds)
            return list(requests)

        return counted

    def _rejected(self, _: Instance, circuit: Circuit) -> None:
        core = circuit._core
        is_late = (
            core.machine.state is CircuitState.HALF_OPEN
            or circuit._clock() >= core.machine.open_until
        )
        if is_late and self._now.closed is None:
            self._now.rejected += 1
            self._begin()

    def _probed(self, *_: object) -> None:
        self._now.probed += 1
        self._begin()

    def _begin(self) -> None:
        if self._now.began is None:
            self._now.began = self._fleet.now()

    def _changed(self, _: Instance, change: Any) -> None:
        if change.new is CircuitState.CLOSED and self._now.closed is None:
            self._now.closed = self._fleet.now()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator.recoveries", description=__doc__)
    parser.add_argument("--instances", type=int, nargs="*", default=[2, 5, 20, 200])
    parser.add_argument("--rates", type=float, nargs="*", default=[1, 5, 50, 1_000])
    parser.add_argument("--times", type=int, default=50, help="recoveries of each")
    parser.add_argument("--latency", type=float, default=0.001, help="seconds to the server")
    parser.add_argument("--duration", type=float, default=0.01, help="seconds that a call takes")
    parser.add_argument("--kinds", action="store_true", help="print commands by kind as well")
    parser.add_argument("--jobs", type=int, default=processors())
    options = parser.parse_args()
    sizes = [
        Size(many, rate, options.times, options.latency, options.duration)
        for many in options.instances
        for rate in options.rates
    ]
    print(HEAD, flush=True)
    with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(sizes))) as pool:
        for size, recoveries in zip(sizes, pool.imap(measure, sizes), strict=True):
            print(row(size, recoveries), flush=True)
            if options.kinds:
                kinds = sum((one.commands for one in recoveries), Counter[str]())
                print({kind: round(many / size.times, 1) for kind, many in kinds.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
