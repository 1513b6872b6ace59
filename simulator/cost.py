"""``python -m simulator.cost``: commands and messages per second, as a Markdown table.

Calm: no circuit does anything, after a minute. Incident: the upstreams of all circuits fail for
all instances, with a call a second each, from their first failure until they have recovered.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker import CircuitConfig

from . import loop
from .fleet import Fleet
from .process import wall_clocks
from .run import Defects, prepare
from .scenario import Scenario
from .upstream import Sickness
from .workers import processors

if TYPE_CHECKING:
    from collections import Counter

_SETTLES: Final = 60.0
"""Seconds after the start before anything is counted."""

_CALM: Final = 120.0
"""Seconds of calm that are counted: several repairs of each instance."""

_SICK: Final = 30.0
_INCIDENT: Final = 60.0
"""Seconds for which upstreams are sick, and seconds counted from their beginning."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Per second of simulated time; ``worst`` is the busiest second of the incident."""

    instances: int
    circuits: int
    calm_commands: float
    calm_deliveries: float
    incident_commands: float
    incident_deliveries: float
    worst_commands: int
    worst_deliveries: int

    def row(self) -> str:
        """Return a row of the table."""
        return (
            f"| {self.instances:,} | {self.circuits} |"
            f" {self.calm_commands:,.1f} | {self.calm_deliveries:,.1f} |"
            f" {self.incident_commands:,.1f} | {self.incident_deliveries:,.1f} |"
            f" {self.worst_commands:,} | {self.worst_deliveries:,} |"
        )


HEAD: Final = """\
| instances | circuits | calm: commands/s | deliveries/s | incident: commands/s | deliveries/s \
| busiest second: commands | deliveries |
|--:|--:|--:|--:|--:|--:|--:|--:|"""


def measure(size: tuple[int, int]) -> Cost:
    """Count for a fleet of so many instances and circuits."""
    instances, circuits = size
    scenario = Scenario(
        seed=1,
        instances=instances,
        keys=tuple(f"upstream-{number}" for number in range(circuits)),
        configs=(CircuitConfig(recovery_timeout=10.0),),
        rate=1.0,
        duration=0.0,
        lull=2.4,
    )
    with Defects() as defects, wall_clocks():
        cost = loop.run(_play(scenario, defects))
    if defects.texts:
        raise RuntimeError(defects.texts[0])
    return cost


async def _play(scenario: Scenario, defects: Defects) -> Cost:
    prepare(defects)
    fleet = Fleet(scenario)
    await fleet.start()
    await asyncio.sleep(_SETTLES)
    before = _count(fleet)
    await asyncio.sleep(_CALM)
    calm = _count(fleet)
    sickness = Sickness(1.0)
    for upstream in fleet.upstreams.values():
        upstream.sicknesses.append(sickness)
    seconds = [calm]
    for second in range(int(_INCIDENT)):
        if second == _SICK:
            for upstream in fleet.upstreams.values():
                upstream.sicknesses.clear()
        await asyncio.sleep(1.0)
        seconds.append(_count(fleet))
    await fleet.stop()
    after = seconds[-1]
    each = list(pairwise(seconds))
    return Cost(
        instances=scenario.instances,
        circuits=len(scenario.keys),
        calm_commands=(calm[0] - before[0]) / _CALM,
        calm_deliveries=(calm[1] - before[1]) / _CALM,
        incident_commands=(after[0] - calm[0]) / _INCIDENT,
        incident_deliveries=(after[1] - calm[1]) / _INCIDENT,
        worst_commands=max(later[0] - earlier[0] for earlier, later in each),
        worst_deliveries=max(later[1] - earlier[1] for earlier, later in each),
    )


def _count(fleet: Fleet) -> tuple[int, int]:
    commands: Counter[str] = fleet.server.commands
    return sum(commands.values()), fleet.server.published["deliveries"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator.cost", description=__doc__)
    parser.add_argument("--instances", type=int, nargs="*", default=[1, 10, 100, 1000])
    parser.add_argument("--circuits", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--jobs", type=int, default=processors())
    options = parser.parse_args()
    sizes = [(many, circuits) for many in options.instances for circuits in options.circuits]
    print(HEAD, flush=True)
    with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(sizes))) as pool:
        for cost in pool.imap(measure, sizes):
            print(cost.row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
