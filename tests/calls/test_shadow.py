"""Shadow mode: everything as usual, but that nobody is rejected."""

from __future__ import annotations

import contextvars

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import OPEN_TIME, Shape, each_async_shape, each_sync_shape, fine, fine_sync, trip


@pytest.fixture
def breaker(clock: ManualClock) -> HybridBreaker:
    config = CircuitConfig(
        failure_threshold=2, success_threshold=1, recovery_timeout=OPEN_TIME, mode="shadow"
    )
    return HybridBreaker(redis=None, defaults=config, clock=clock)


@each_async_shape
async def test_open_it_lets_calls_through_and_counts_them(circuit: Circuit, shape: Shape) -> None:
    trip(circuit)
    for _ in range(3):
        assert await shape(circuit, fine) == 1
    stats = circuit.stats()
    assert (stats.state, stats.rejected, stats.shadowed) == ("OPEN", 0, 3)


@each_sync_shape
def test_open_it_lets_sync_calls_through(circuit: Circuit, shape: Shape) -> None:
    trip(circuit)
    assert shape(circuit, fine_sync) == 1
    assert circuit.stats().shadowed == 1


def test_what_it_lets_through_counts_nothing(circuit: Circuit) -> None:
    trip(circuit)
    before = circuit.stats().failures
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            circuit.call_sync(lambda: 1 / 0)
    assert circuit.stats().failures == before


def test_it_probes_and_recovers_beside_the_traffic(circuit: Circuit, clock: ManualClock) -> None:
    trip(circuit)
    clock.advance(OPEN_TIME)
    with circuit.guard():  # the one probe
        assert circuit.state == "HALF_OPEN"
        beside = contextvars.Context().run(circuit.admit)
        circuit.settle(beside, Outcome.FAILURE)
        assert circuit.state == "HALF_OPEN"
    assert circuit.state == "CLOSED"
    assert circuit.stats().shadowed == 1


def test_changes_are_told_and_remembered(breaker: HybridBreaker, circuit: Circuit) -> None:
    told: list[str] = []
    breaker.on_change(lambda change: told.append(change.new))
    trip(circuit)
    assert told == ["OPEN"]
    assert [change.new for change in circuit.history()] == ["OPEN"]


async def test_an_operator_who_forces_it_open_is_obeyed(circuit: Circuit) -> None:
    await circuit.override("forced_open", by="ann", reason="now", seconds=60)
    with pytest.raises(CircuitOpenError):
        await circuit.call(fine)
    assert (circuit.stats().rejected, circuit.stats().shadowed) == (1, 0)
