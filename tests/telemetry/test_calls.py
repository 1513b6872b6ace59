"""Guarded calls, by their outcome, and how long they took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    CountWindow,
    HybridBreaker,
    SlowCallRate,
)
from fastapi_hybrid_breaker.telemetry import instrument
from fastapi_hybrid_breaker.testing import ManualClock
from tests.circuits.parts import BrokenError, each_async_shape, each_sync_shape, run_in_threads

from .collected import Collected, instruments_of

Collect = Callable[[], Collected]


def failing() -> None:
    raise BrokenError


def trip(circuit: Circuit) -> None:
    while circuit.state != "OPEN":
        with pytest.raises(BrokenError):
            circuit.call_sync(failing)


@each_async_shape
async def test_each_way_to_call_counts_once(
    circuit: Circuit, clock: ManualClock, collect: Collect, shape: Any
) -> None:
    async def fine() -> None:
        clock.advance(0.25)

    async def broken() -> None:
        clock.advance(0.5)
        raise BrokenError

    await shape(circuit, fine)
    with pytest.raises(BrokenError):
        await shape(circuit, broken)
    found = collect()
    assert found.calls(key="stock") == {"success": 1, "failure": 1}
    assert found.durations(outcome="success") == (1, 0.25)
    assert found.durations(outcome="failure") == (1, 0.5)


@each_sync_shape
def test_each_way_to_call_a_sync_function_counts_once(
    circuit: Circuit, clock: ManualClock, collect: Collect, shape: Any
) -> None:
    shape(circuit, lambda: clock.advance(0.25))
    with pytest.raises(BrokenError):
        shape(circuit, failing)
    assert collect().calls(key="stock") == {"success": 1, "failure": 1}
    assert collect().durations(outcome="success") == (1, 0.25)


@each_async_shape
async def test_a_cancelled_call_is_no_verdict_and_is_timed(
    circuit: Circuit, clock: ManualClock, collect: Collect, shape: Any
) -> None:
    async def hang() -> None:
        clock.advance(3.0)
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await shape(circuit, hang)
    assert collect().calls() == {"no_verdict": 1}
    assert collect().durations(outcome="no_verdict") == (1, 3.0)


async def test_rejections_are_no_calls(circuit: Circuit, collect: Collect) -> None:
    trip(circuit)
    for _ in range(3):
        with pytest.raises(CircuitOpenError):
            circuit.call_sync(failing)
    found = collect()
    assert found.value("rejections", key="stock") == 3
    assert found.calls() == {"failure": 2}
    assert circuit.stats().rejected == 3


def test_probes_are_calls(circuit: Circuit, clock: ManualClock, collect: Collect) -> None:
    trip(circuit)
    clock.advance(10.0)
    circuit.call_sync(clock.advance, 0.75)
    assert collect().calls() == {"failure": 2, "success": 1}
    assert collect().durations(outcome="success") == (1, 0.75)
    assert circuit.state == "CLOSED"


def test_a_call_in_a_probe_of_its_circuit_counts_for_its_own_guard(
    circuit: Circuit, clock: ManualClock, collect: Collect
) -> None:
    trip(circuit)
    clock.advance(10.0)
    with circuit.guard():
        clock.advance(1.0)
        circuit.call_sync(clock.advance, 0.5)  # under the probe's permit
        assert circuit.state == "CLOSED"
    found = collect()
    assert found.calls()["success"] == 2
    assert found.durations(outcome="success") == (2, 0.5 + 1.5)


def test_one_exception_is_one_failure_however_many_guards_it_leaves(
    circuit: Circuit, collect: Collect
) -> None:
    with pytest.raises(BrokenError), circuit.guard():
        circuit.call_sync(failing)
    assert collect().calls() == {"failure": 1, "no_verdict": 1}
    assert circuit.stats().failures == 1


def test_slow_calls_are_those_of_the_rule(
    breaker: HybridBreaker, clock: ManualClock, collect: Collect
) -> None:
    rule = SlowCallRate(1.0, slower_than=2.0, window=CountWindow(100), minimum_calls=50)
    slow = breaker.circuit("host:slow", CircuitConfig(trip=rule))
    for seconds in (1.0, 2.0, 2.5):
        slow.call_sync(clock.advance, seconds)
    breaker.circuit("stock").call_sync(clock.advance, 60.0)  # has no such rule
    assert collect().value("slow_calls", key="host:*") == 1
    assert collect().value("slow_calls") == 1


def test_shadow_mode_counts_what_it_would_reject(breaker: HybridBreaker, collect: Collect) -> None:
    circuit = breaker.circuit("host:shadow", CircuitConfig(failure_threshold=1, mode="shadow"))
    for _ in range(3):
        with pytest.raises(BrokenError):
            circuit.call_sync(failing)
    circuit.call_sync(int)
    found = collect()
    assert found.value("shadow_rejections", key="host:*") == 3 == circuit.stats().shadowed
    assert found.value("shadow_failures", key="host:*") == 2 == circuit.stats().shadowed_failures
    assert found.value("rejections") == 0
    assert found.calls() == {"failure": 3, "success": 1}


async def test_calls_of_a_disabled_circuit_count_with_their_outcome(
    circuit: Circuit, collect: Collect
) -> None:
    await circuit.override("disabled", by="ann", reason="a test", seconds=None)
    for _ in range(3):
        with pytest.raises(BrokenError):
            circuit.call_sync(failing)
    circuit.call_sync(int)
    assert collect().calls() == {"failure": 3, "success": 1}
    assert circuit.stats().failures == 0


async def test_forced_open_rejects(circuit: Circuit, collect: Collect) -> None:
    await circuit.override("forced_open", by="ann", reason="a test", seconds=None)
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(int)
    assert collect().value("rejections") == 1
    assert collect().calls() == {}


def test_calls_from_threads_are_all_counted(circuit: Circuit, collect: Collect) -> None:
    def work() -> None:
        for _ in range(500):
            circuit.call_sync(int)

    run_in_threads(4, work)
    assert collect().calls() == {"success": 2000}
    assert collect().durations()[0] == 2000


def test_an_instrument_that_fails_harms_no_call_and_is_logged_once(
    circuit: Circuit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the exporter is broken")

    instruments = instruments_of(circuit)
    monkeypatch.setattr(instruments, "calls", type("Broken", (), {"add": fail})())
    assert circuit.call_sync(int) == 0
    assert circuit.call_sync(int) == 0
    with pytest.raises(BrokenError):
        circuit.call_sync(failing)
    assert len([line for line in caplog.records if "measuring" in line.message]) == 1


async def test_a_call_that_began_unmeasured_counts_without_a_duration(
    clock: ManualClock, provider: Any, collect: Collect
) -> None:
    breaker = HybridBreaker(redis=None, circuits={"late": CircuitConfig()}, clock=clock)
    circuit = breaker.circuit("late")
    go: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await go

    running: Awaitable[None] = asyncio.ensure_future(circuit.call(wait))
    await asyncio.sleep(0)
    undo = instrument(breaker, meter_provider=provider)
    go.set_result(None)
    await running
    assert collect().calls(key="late") == {"success": 1}
    assert collect().durations(key="late")[0] == 0
    undo()
