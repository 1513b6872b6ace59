"""Calls that take long, whatever comes of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CountWindow,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
)
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import BrokenError, Shape, each_async_shape, each_sync_shape

SLOW = SlowCallRate(1.0, slower_than=2.0, window=CountWindow(2), minimum_calls=2)


@pytest.fixture
def timed(clock: ManualClock) -> Circuit:
    config = CircuitConfig(trip=SLOW, success_threshold=1, recovery_timeout=10.0)
    return HybridBreaker(redis=None, clock=clock).circuit("k", config)


def taking(clock: ManualClock, seconds: float, error: Exception | None = None) -> Any:
    async def fn() -> None:
        clock.advance(seconds)
        if error is not None:
            raise error

    return fn


@each_async_shape
@pytest.mark.parametrize("error", [None, BrokenError()], ids=["success", "failure"])
async def test_slow_calls_open_the_circuit(
    timed: Circuit, clock: ManualClock, shape: Shape, error: Exception | None
) -> None:
    for _ in range(2):
        try:
            await shape(timed, taking(clock, 2.5, error))
        except BrokenError:
            assert error is not None
    assert timed.state == "OPEN"
    assert timed.history()[-1].cause == "slow_calls"


@each_async_shape
async def test_swift_calls_do_not(timed: Circuit, clock: ManualClock, shape: Shape) -> None:
    for _ in range(5):
        await shape(timed, taking(clock, 2.0))
    assert timed.stats().slow_rate == 0.0
    assert timed.stats().calls == 2


@each_async_shape
async def test_a_dependency_that_hangs_behind_a_time_out_opens_the_circuit(
    timed: Circuit, clock: ManualClock, shape: Shape
) -> None:
    async def hang() -> None:
        clock.advance(3.0)
        await asyncio.Event().wait()

    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await shape(timed, hang)
    assert timed.state == "OPEN"
    assert timed.history()[-1].evidence.calls == 2


@each_async_shape
async def test_a_call_given_up_soon_counts_nothing(
    timed: Circuit, clock: ManualClock, shape: Shape
) -> None:
    async def hang() -> None:
        clock.advance(1.0)
        await asyncio.Event().wait()

    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await shape(timed, hang)
    assert (timed.stats().calls, timed.stats().slow_rate) == (0, None)


@each_sync_shape
def test_slow_sync_calls_open_the_circuit(timed: Circuit, clock: ManualClock, shape: Shape) -> None:
    for _ in range(2):
        shape(timed, lambda: clock.advance(2.5))
    assert timed.state == "OPEN"


@each_async_shape
async def test_a_slow_probe_opens_it_again(
    timed: Circuit, clock: ManualClock, shape: Shape
) -> None:
    inside.open_here(timed, 10.0)
    clock.advance(10.0)
    await shape(timed, taking(clock, 2.5))
    assert timed.state == "OPEN"
    clock.advance(10.0)
    await shape(timed, taking(clock, 0.5))
    assert timed.state == "CLOSED"


async def test_each_of_two_nested_calls_has_its_own_duration(
    timed: Circuit, clock: ManualClock
) -> None:
    async def outer() -> None:
        clock.advance(1.5)
        await timed.call(taking(clock, 1.0))

    await timed.call(outer)
    assert (timed.stats().calls, timed.stats().slow_rate) == (2, 0.5)


async def test_a_rate_of_failures_alone_needs_no_clock(clock: ManualClock) -> None:
    reads = 0

    def counting() -> float:
        nonlocal reads
        reads += 1
        return clock()

    breaker = HybridBreaker(redis=None, clock=counting)
    rule = FailureRate(0.5, window=CountWindow(10), minimum_calls=2)
    circuit = breaker.circuit("k", CircuitConfig(trip=rule))
    reads = 0
    await circuit.call(taking(clock, 9.0))
    assert reads == 1  # when it was settled
    default = breaker.circuit("default")
    reads = 0
    for _ in range(100):
        await default.call(taking(clock, 9.0))
    assert reads == 0
