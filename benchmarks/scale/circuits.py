"""Time per call, memory and start-up by the number of circuits."""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from benchmarks.calls.by_hand import ByHand
from benchmarks.calls.loops import FailureError, fail, work
from benchmarks.rounds import measure
from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitOpenError,
    FailureRate,
    HybridBreaker,
    TimeWindow,
)
from fastapi_hybrid_breaker.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.parts import Figures, Order
    from benchmarks.peers.adapter import AsyncCall
    from benchmarks.rounds import Loop
    from fastapi_hybrid_breaker import Circuit

NUMBERS = (1, 10, 100, 1_000, 10_000, 100_000)

_ROUNDS = 20
_SLICE = 0.04
"""Seconds: so that each of 10,000 circuits is called many times in a turn. In a turn with time for
one call each, all would be found where the turns of the others have driven them."""

_WEIGHED = 1_000
_LONG_WINDOW = CircuitConfig(trip=FailureRate(0.5, window=TimeWindow(60.0)))


def make(
    number: int, config: CircuitConfig | None = None, clock: Callable[[], float] = time.monotonic
) -> tuple[HybridBreaker, list[Circuit]]:
    """Make a breaker with so many circuits."""
    breaker = HybridBreaker(
        redis=None,
        max_circuits=max(10_000, number),
        defaults=config or CircuitConfig(),
        clock=clock,
    )
    return breaker, [breaker.circuit(f"upstream-{at}") for at in range(number)]


async def time_calls(order: Order) -> Figures:
    """Return the time per call with so many circuits in use; ratios to one circuit.

    One after the other in the order in which they were made, and in an order that nobody could
    guess: there the processor waits for its memory, as it does for the ``by hand`` ones.
    """
    loops: dict[str, Loop] = {}
    for number in NUMBERS:
        breaker, circuits = make(number)
        mixed = random.Random(number).sample(circuits, number)  # noqa: S311
        by_hand = [ByHand() for _ in circuits]
        random.Random(number).shuffle(by_hand)  # noqa: S311
        loops |= {
            f"call, by turns / {number}": _calls([circuit.call for circuit in circuits]),
            f"call, at random / {number}": _calls([circuit.call for circuit in mixed]),
            f"execute, by turns / {number}": _executes(breaker, [one.key for one in circuits]),
            f"by hand, at random / {number}": _calls([one.call for one in by_hand]),
        }
    times = await measure(loops, rounds=order.rounds(_ROUNDS), slice_seconds=_SLICE)
    return {name: one.describe(times[name.split(" / ")[0] + " / 1"]) for name, one in times.items()}


def _calls(ways: Sequence[AsyncCall]) -> Loop:
    number, position = len(ways), 0

    async def loop(calls: int) -> None:
        nonlocal position
        at = position
        for _ in range(calls):
            await ways[at](work, 1)
            at += 1
            if at == number:
                at = 0
        position = at  # the next turn goes on where this one ended

    return loop


def _executes(breaker: HybridBreaker, keys: Sequence[str]) -> Loop:
    number, position = len(keys), 0

    async def loop(calls: int) -> None:
        nonlocal position
        at = position
        for _ in range(calls):
            await breaker.execute(keys[at], work, 1)
            at += 1
            if at == number:
                at = 0
        position = at

    return loop


async def weigh() -> Figures:
    """Return the bytes per circuit: unused, used, with a window, and after changes of state."""
    return {
        "made": await _weigh(None, _nothing),
        "closed, used": await _weigh(None, _fill),
        "with a window of 60 s, full": await _weigh(_LONG_WINDOW, _fill),
        "opened once": await _weigh(None, _fail),
        "with a window of 60 s, full, then opened": await _weigh(_LONG_WINDOW, _fill, _fail),
    }


Use = Callable[[list["Circuit"], ManualClock], Awaitable[None]]


async def _weigh(config: CircuitConfig | None, *uses: Use) -> int:
    async def make_and_use(number: int) -> object:
        clock = ManualClock()
        breaker, circuits = make(number, config, clock)
        for use in uses:
            await use(circuits, clock)
        return breaker

    await make_and_use(10)  # what is made once for all
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = await make_and_use(_WEIGHED)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    del kept
    return round(grown / _WEIGHED)


async def _nothing(circuits: list[Circuit], clock: ManualClock) -> None:
    pass


async def _fill(circuits: list[Circuit], clock: ManualClock) -> None:
    """Make a call in each second of a minute."""
    for _ in range(60):
        clock.advance(1.0)
        for circuit in circuits:
            await circuit.call(work, 1)


async def _fail(circuits: list[Circuit], clock: ManualClock) -> None:
    """Let as many calls fail as have succeeded."""
    clock.advance(1.0)
    for circuit in circuits:
        for _ in range(60):
            try:
                await circuit.call(fail, 1)
            except FailureError:
                continue
            except CircuitOpenError:
                break
        else:
            raise RuntimeError(f"{circuit!r} did not open")


def start_up() -> Figures:
    """Return the milliseconds to make a breaker with so many circuits, in one piece."""
    found = {}
    for number in NUMBERS:
        gc.collect()
        begun = time.thread_time()
        kept = make(number)
        found[str(number)] = round((time.thread_time() - begun) * 1e3, 3)
        del kept
    return found
