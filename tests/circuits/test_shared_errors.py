"""One exception object that reaches many callers is a failure of each of them, and of each once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CountWindow, FailureRate, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.patience import PATIENCE

from .parts import BrokenError, Shape, each_async_shape, fine, let_probe, run_in_threads

RATE = CircuitConfig(trip=FailureRate(0.5, window=CountWindow(100), minimum_calls=60))
MANY = CircuitConfig(failure_threshold=1_000_000)


@pytest.fixture
def counting(breaker: HybridBreaker) -> Circuit:
    """A circuit that counts, and does not open."""
    return breaker.circuit("counting", MANY)


async def test_a_rate_opens_when_most_callers_of_a_shared_connection_fail(
    breaker: HybridBreaker,
) -> None:
    circuit = breaker.circuit("rate", RATE)
    shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await shared

    for _ in range(10):
        await circuit.call(fine)
    waiters = [asyncio.create_task(circuit.call(wait)) for _ in range(50)]
    await asyncio.sleep(0)
    shared.set_exception(BrokenError())
    await asyncio.gather(*waiters, return_exceptions=True)
    assert circuit.state == "OPEN"
    evidence = circuit.history()[-1].evidence
    assert (evidence.calls, evidence.failed) == (60, 50)


@each_async_shape
async def test_each_waiter_for_one_error_counts_once(counting: Circuit, shape: Shape) -> None:
    """Also where each of them waits inside of two calls."""
    shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await shared

    async def nested() -> None:
        await shape(counting, wait)

    waiters = [asyncio.create_task(shape(counting, nested)) for _ in range(300)]
    await asyncio.sleep(0)
    shared.set_exception(BrokenError())
    await asyncio.gather(*waiters, return_exceptions=True)
    assert counting.stats().failures == 300


def test_each_thread_that_one_error_reaches_counts_once(counting: Circuit) -> None:
    error = BrokenError()

    def same() -> None:
        raise error

    def work() -> None:
        with contextlib.suppress(BrokenError):
            counting.call_sync(counting.call_sync, same)

    run_in_threads(20, work)
    assert counting.stats().failures == 20


def test_an_error_that_one_thread_of_a_pool_raises_again_counts_again(counting: Circuit) -> None:
    error = BrokenError()

    def same() -> None:
        raise error

    with ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            future = pool.submit(counting.call_sync, same)
            assert future.exception(PATIENCE) is error
    assert counting.stats().failures == 5


async def test_a_cached_error_counts_with_each_call_that_it_is_raised_for(
    counting: Circuit,
) -> None:
    error = BrokenError()

    async def same() -> None:
        raise error

    for count in range(1, 6):
        with pytest.raises(BrokenError):
            await counting.call(same)
        assert counting.stats().failures == count
    waiters = (counting.call(same) for _ in range(5))
    await asyncio.gather(*waiters, return_exceptions=True)
    assert counting.stats().failures == 10


async def test_calls_of_tasks_that_have_ended_hide_nothing_from_later_ones(
    counting: Circuit,
) -> None:
    """Their tasks may come to stand where the former ones stood in memory."""
    error = BrokenError()

    async def same() -> None:
        raise error

    for _ in range(500):
        await asyncio.gather(asyncio.create_task(counting.call(same)), return_exceptions=True)
        gc.collect(0)
    assert counting.stats().failures == 500


async def test_parallel_calls_inside_of_a_probe_are_one_failure(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    """The first of them opens the circuit; what follows is late."""
    circuit = breaker.circuit("probed", CircuitConfig(failure_threshold=2))
    let_probe(circuit, clock)
    shared: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await shared

    async def outer() -> None:
        calls = [asyncio.create_task(circuit.call(wait)) for _ in range(5)]
        await asyncio.sleep(0)
        shared.set_exception(BrokenError())
        await asyncio.gather(*calls)

    version = inside.of(circuit).generation
    with pytest.raises(BrokenError):
        await circuit.call(outer)
    assert circuit.state == "OPEN"
    assert inside.of(circuit).generation == version + 2  # half-open, and open again


async def test_in_a_ramp_an_outer_call_does_not_count_what_tasks_inside_it_counted(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=2, success_threshold=1, ramp_seconds=100.0)
    circuit = breaker.circuit("ramping", config)
    let_probe(circuit, clock)
    await circuit.call(fine)

    async def broken() -> None:
        raise BrokenError

    async def outer() -> None:
        await asyncio.create_task(circuit.call(broken))

    with pytest.raises(BrokenError):
        await circuit.call(outer)
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 1)


async def test_through_gather_an_error_counts_once_more_for_the_call_around(
    counting: Circuit,
) -> None:
    """A limit: nothing tells it from one that reaches callers side by side."""

    async def broken() -> None:
        raise BrokenError

    async def outer() -> None:
        await asyncio.gather(counting.call(broken))

    with pytest.raises(BrokenError):
        await counting.call(outer)
    assert counting.stats().failures == 2


async def test_through_an_executor_too(counting: Circuit) -> None:
    """The same limit."""

    def broken() -> None:
        raise BrokenError

    async def outer() -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, counting.call_sync, broken)

    with pytest.raises(BrokenError):
        await counting.call(outer)
    assert counting.stats().failures == 2


def test_an_error_counted_in_one_thread_counts_for_a_call_that_another_waits_in(
    counting: Circuit,
) -> None:
    error = BrokenError()
    failed = threading.Event()

    def first() -> None:
        raise error

    def second() -> None:
        failed.wait(PATIENCE)
        raise error

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(counting.call_sync, second)
        with pytest.raises(BrokenError):
            counting.call_sync(first)
        failed.set()
        assert waiting.exception(PATIENCE) is error
    assert counting.stats().failures == 2


class TrioTask:
    """One call in a task of trio, driven by hand."""

    running: TrioTask | None = None

    def __init__(self, circuit: Circuit, error: Exception) -> None:
        self._call = circuit.call(self._wait, error)
        self.go()

    @staticmethod
    async def _wait(error: Exception) -> None:
        await Once()
        raise error

    @classmethod
    def current(cls) -> TrioTask:
        if cls.running is None:
            raise RuntimeError("must be called from async context")
        return cls.running

    def go(self) -> None:
        TrioTask.running = self
        try:
            self._call.send(None)
        finally:
            TrioTask.running = None


class Once:
    def __await__(self) -> Iterator[None]:
        yield


def test_each_task_of_trio_counts_once(counting: Circuit, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share a thread, and no task of asyncio runs there."""
    lowlevel = SimpleNamespace(current_task=TrioTask.current)
    monkeypatch.setitem(sys.modules, "trio", SimpleNamespace(lowlevel=lowlevel))
    error = BrokenError()
    tasks = [TrioTask(counting, error) for _ in range(50)]
    for task in tasks:
        with pytest.raises(BrokenError):
            task.go()
    assert counting.stats().failures == 50


@pytest.mark.parametrize("trio", [SimpleNamespace(), SimpleNamespace(lowlevel=None)])
def test_outside_of_trio_threads_are_told_apart_as_before(
    counting: Circuit, monkeypatch: pytest.MonkeyPatch, trio: object
) -> None:
    monkeypatch.setitem(sys.modules, "trio", trio)

    def fail() -> None:
        raise BrokenError

    def outer() -> None:
        counting.call_sync(fail)

    with pytest.raises(BrokenError):
        counting.call_sync(outer)
    assert counting.stats().failures == 1
