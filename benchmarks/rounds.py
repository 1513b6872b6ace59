"""Rounds that take turns, so that a noisy moment of the machine hits all alike."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from .figures import Measured

Loop = Callable[[int], Awaitable[object]]
"""A case: does its thing so many times."""

Clock = Callable[[], float]
Before = Callable[[], Awaitable[object]]

NOTHING_BEFORE: Final[Mapping[str, Before]] = {}

SLICE = 0.002
"""Seconds that a case runs in each round, about: long beside the clock, short beside a
machine's noisy moments."""

WORKING = time.thread_time
"""Counts while this thread works, not while others have its core: for what never waits. Where
nobody else works it is the same as the clock on the wall."""

WAITING = time.perf_counter
"""Counts all the time: for what waits for a server."""

_LONG = 0.1
"""Seconds after which one look is enough."""


async def measure(
    cases: Mapping[str, Loop],
    *,
    rounds: int,
    clock: Clock = WORKING,
    slice_seconds: float = SLICE,
    before: Mapping[str, Before] = NOTHING_BEFORE,
) -> dict[str, Measured]:
    """Run each case in each round, one after the other; gives seconds per call, by case.

    In an order of its own for each round: what a case leaves in the caches costs the one after it
    more than some of what is measured here. The orders are the same in every run.

    Args:
        cases: by name, in the order in which they take turns.
        rounds: how many times each of them runs.
        clock: what counts the time.
        slice_seconds: how long each case runs in each round, about.
        before: what a case needs done before each of its turns; its time does not count.
    """
    sizes = {}
    for name, case in cases.items():
        await asyncio.sleep(0)
        await before.get(name, _nothing)()
        sizes[name] = await calls_per_slice(case, slice_seconds, clock)
    found: dict[str, list[float]] = {name: [] for name in cases}
    # What was made before is not for the collector to look through in the middle of a case.
    gc.collect()
    gc.freeze()
    try:
        shuffled, orders = list(cases.items()), random.Random(0)  # noqa: S311
        for _ in range(rounds):
            orders.shuffle(shuffled)
            for name, case in shuffled:
                calls = sizes[name]
                # Not within the turn: what runs in the background, a signal among it, has its own.
                await asyncio.sleep(0)
                await before.get(name, _nothing)()
                begun = clock()
                await case(calls)
                found[name].append((clock() - begun) / calls)
    finally:
        gc.unfreeze()
    return {name: Measured(tuple(times), sizes[name]) for name, times in found.items()}


async def _nothing() -> None:
    """Do nothing before a turn."""


async def calls_per_slice(case: Loop, seconds: float, clock: Clock) -> int:
    """Find how many calls fill a slice; warms up what is compiled and cached on the way."""
    calls = 1
    while (took := await _best_of_three(case, calls, clock)) < seconds / 10:
        calls *= 4
    return max(1, round(calls * seconds / took))


async def _best_of_three(case: Loop, calls: int, clock: Clock) -> float:
    """Return what so many calls take; the best, since a moment's noise would make slices short."""
    times = []
    for _ in range(3):
        begun = clock()
        await case(calls)
        times.append(clock() - begun)
        if times[0] > _LONG:
            break
    return min(times)
