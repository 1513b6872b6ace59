"""``make chaos``: two minutes of faults, by a seed that names which come in which order."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from .agreement import all_agree
from .faults import KINDS
from .load import Load
from .world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .faults import Fault


async def disturb(
    world: World, faults: Sequence[Fault], random: Random, end: float, done: Counter[str]
) -> None:
    """Bring on one fault after the other, and heal each; the last one heals after ``end``."""
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        fault = random.choice(faults)
        lasts, pause = random.uniform(0.1, 4.0), random.uniform(0.1, 1.5)
        under_way = fault(world, random)
        await asyncio.to_thread(under_way.__enter__)
        await asyncio.sleep(lasts)
        await asyncio.to_thread(under_way.__exit__, None, None, None)
        done[fault.__name__.replace("_", " ")] += 1
        await asyncio.sleep(pause)


async def run(world: World, seed: int, seconds: float) -> bool:
    load = Load(world.service.url, world.deaths, Random(f"{seed} load"))
    done: Counter[str] = Counter()
    requesting = asyncio.create_task(load.run())
    try:
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as disturbers:
            for number, faults in enumerate(KINDS):
                disturbers.create_task(
                    disturb(world, faults, Random(f"{seed} {number}"), end, done)
                )
        disagreement = await all_agree(world)
    finally:
        requesting.cancel()
        await asyncio.wait({requesting})
    report(load, done)
    if disagreement is not None:
        print(f"NOT AGREED: {disagreement}")
    if defects := [line for line in world.written().splitlines() if is_defect(line)]:
        print("LOGGED:", *defects[:20], sep="\n  ")
    return not load.wrong and disagreement is None and not defects


def is_defect(line: str) -> bool:
    """Whether a worker has logged what should not happen whatever goes wrong around it."""
    return "Traceback" in line or "please report" in line or "defect" in line


def report(load: Load, done: Counter[str]) -> None:
    for name, times in sorted(done.items()):
        print(f"{times:6}  {name}")
    print(f"{load.ends.total():6}  requests:")
    for name, times in load.ends.most_common():
        print(f"{times:14}  {name}")
    *_, most = statistics.quantiles(load.times, n=1000)
    middle = statistics.median(load.times)
    print(f"milliseconds: median {middle * 1000:.1f}, of 999 in 1000 below {most * 1000:.1f}")
    for wrong in load.wrong[:20]:
        print(f"WRONG: {wrong}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.seconds:.0f} seconds of faults", flush=True)
    with tempfile.TemporaryDirectory() as folder, World(Path(folder)) as world:
        return 0 if asyncio.run(run(world, given.seed, given.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
