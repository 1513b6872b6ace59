"""Handing work to a pool is no success of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastapi_hybrid_breaker import Circuit
from fastapi_hybrid_breaker.testing import ManualClock
from tests.patience import PATIENCE

from .parts import BrokenError, broken_sync, fail, fine_sync, let_probe


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


def test_what_is_submitted_can_be_guarded(circuit: Circuit, pool: ThreadPoolExecutor) -> None:
    failing = pool.submit(circuit.call_sync, broken_sync)
    assert isinstance(failing.exception(PATIENCE), BrokenError)
    assert circuit.stats().failures == 1
    assert pool.submit(circuit.call_sync, fine_sync).result(PATIENCE) == 1
    assert circuit.stats().failures == 0
