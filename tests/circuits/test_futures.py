"""Handing work to a pool is no success of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fastapi_hybrid_breaker import Circuit
from fastapi_hybrid_breaker.testing import ManualClock
from tests.patience import PATIENCE

from .parts import BrokenError, broken_sync, fail, fine, fine_sync, let_probe


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_a_future_does_not_end_the_run_of_failures(
    circuit: Circuit, pool: ThreadPoolExecutor
) -> None:
    fail(circuit)
    with pytest.raises(TypeError, match=r"pool\.submit\(circuit\.call_sync, fn\)"):
        circuit.call_sync(pool.submit, broken_sync)
    with pytest.raises(TypeError, match="returns a future"):
        circuit(pool.submit)(broken_sync)
    with pytest.raises(TypeError, match="returns a future"):
        await circuit.execute(pool.submit, broken_sync)
    assert circuit.stats().failures == 1


async def test_nor_is_it_a_good_probe(
    circuit: Circuit, clock: ManualClock, pool: ThreadPoolExecutor
) -> None:
    let_probe(circuit, clock)
    for _ in range(5):
        with pytest.raises(TypeError, match="returns a future"):
            circuit.call_sync(pool.submit, broken_sync)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 0)
    assert circuit.stats().retry_after == 0.0


class PoolsOwnFuture(Future[int]):
    """As joblib, dask and others have one."""


class FutureOfAnotherLibrary:
    """As that of a call of gRPC."""

    def add_done_callback(self, callback: object) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("kind", [PoolsOwnFuture, FutureOfAnotherLibrary])
async def test_futures_of_other_classes_are_no_successes_either(
    circuit: Circuit, kind: Callable[[], object]
) -> None:
    fail(circuit)
    with pytest.raises(TypeError, match="returns a future"):
        circuit.call_sync(kind)
    with pytest.raises(TypeError, match="returns a future"):
        circuit(kind)()
    with pytest.raises(TypeError, match="returns a future"):
        await circuit.execute(kind)
    assert circuit.stats().failures == 1


async def test_an_awaited_call_that_hands_its_work_to_a_pool_is_no_success(
    circuit: Circuit, pool: ThreadPoolExecutor
) -> None:
    async def submit() -> Future[object]:
        return pool.submit(broken_sync)

    fail(circuit)
    with pytest.raises(TypeError, match="returns a future"):
        await circuit.execute(submit)
    assert circuit.stats().failures == 1


async def test_an_awaited_call_may_return_a_task(circuit: Circuit) -> None:
    """As one that starts something does: it has done its work."""

    async def start() -> asyncio.Task[int]:
        return asyncio.get_running_loop().create_task(fine())

    fail(circuit)
    assert await (await circuit.execute(start)) == 1
    assert circuit.stats().failures == 0


def test_what_is_submitted_can_be_guarded(circuit: Circuit, pool: ThreadPoolExecutor) -> None:
    failing = pool.submit(circuit.call_sync, broken_sync)
    assert isinstance(failing.exception(PATIENCE), BrokenError)
    assert circuit.stats().failures == 1
    assert pool.submit(circuit.call_sync, fine_sync).result(PATIENCE) == 1
    assert circuit.stats().failures == 0
