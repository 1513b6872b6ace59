"""Many tasks and many threads at one circuit at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    HybridBreaker,
    StateChange,
)
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import (
    ONE_PROBE,
    OPEN_TIME,
    PATIENCE,
    BrokenError,
    Shape,
    broken,
    broken_sync,
    each_async_shape,
    fine_sync,
    let_probe,
    run_in_threads,
    trip,
)

THREADS = 8


def probing(places: int) -> CircuitConfig:
    return CircuitConfig(
        failure_threshold=1,
        success_threshold=places,
        half_open_max_calls=places,
        recovery_timeout=OPEN_TIME,
    )


@each_async_shape
@pytest.mark.parametrize("places", [1, 3])
async def test_100_concurrent_calls_at_the_end_of_the_open_time(
    breaker: HybridBreaker, clock: ManualClock, shape: Shape, places: int
) -> None:
    circuit = breaker.circuit("busy", probing(places))
    let_probe(circuit, clock)
    go, made = asyncio.Event(), []

    async def call() -> None:
        made.append(1)
        await go.wait()

    tasks = [asyncio.create_task(shape(circuit, call)) for _ in range(100)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    rejections = [result for result in results if isinstance(result, CircuitOpenError)]
    assert (len(made), len(rejections)) == (places, 100 - places)
    assert {rejection.retry_after for rejection in rejections} == {1.0}
    assert circuit.stats().rejected == 100 - places
    assert circuit.state == "CLOSED"


def test_threads_at_the_end_of_the_open_time_get_as_many_probes_as_there_are_places(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    circuit = breaker.circuit("busy", probing(3))
    changes: list[StateChange] = []
    for _ in range(20):
        let_probe(circuit, clock)
        undo = breaker.on_change(changes.append)
        admitted: list[object] = []

        def knock(admitted: list[object] = admitted) -> None:
            try:
                admitted.append(inside.admit(circuit))
            except CircuitOpenError:
                return

        run_in_threads(THREADS, knock)
        undo()
        assert len(admitted) == 3
        inside.reset_here(circuit)
    assert [change.new for change in changes] == ["HALF_OPEN"] * 20


def test_threads_racing_at_the_trip_bring_about_one_change(breaker: HybridBreaker) -> None:
    circuit = breaker.circuit("racing", CircuitConfig(failure_threshold=50))
    changes: list[StateChange] = []
    breaker.on_change(changes.append)

    def hammer() -> None:
        for _ in range(50):
            with pytest.raises((BrokenError, CircuitOpenError)):
                circuit.call_sync(broken_sync)

    run_in_threads(THREADS, hammer)
    assert [(one.old, one.new, one.cause) for one in changes] == [("CLOSED", "OPEN", "failures")]
    assert circuit.stats().failures == 50


def test_no_failure_of_any_thread_is_lost(breaker: HybridBreaker) -> None:
    circuit = breaker.circuit("counted", CircuitConfig(failure_threshold=1_000_000))

    def hammer() -> None:
        for _ in range(500):
            with pytest.raises(BrokenError):
                circuit.call_sync(broken_sync)

    run_in_threads(THREADS, hammer)
    assert circuit.stats().failures == THREADS * 500
    assert inside.of(circuit).sequence == THREADS * 500
    circuit.call_sync(fine_sync)
    assert (circuit.stats().failures, inside.of(circuit).counts_successes) == (0, False)


def test_every_probe_place_comes_back_from_threads_that_race(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    circuit = breaker.circuit("given back", probing(3))
    let_probe(circuit, clock)
    most, running, count = [0], [0], threading.Lock()

    def interrupted() -> None:
        with count:
            running[0] += 1
            most[0] = max(most[0], running[0])
        with count:
            running[0] -= 1
        raise GeneratorExit

    def hammer() -> None:
        for _ in range(200):
            with pytest.raises((GeneratorExit, CircuitOpenError)):
                circuit.call_sync(interrupted)

    run_in_threads(THREADS, hammer)
    assert most[0] <= 3
    assert circuit.state == "HALF_OPEN"
    assert [inside.admit(circuit) for _ in range(3)]
    with pytest.raises(CircuitOpenError):
        inside.admit(circuit)


def test_whatever_threads_do_at_once_the_circuit_recovers(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    """Trips, resets, probes and cancellations in any interleaving wedge nothing."""
    circuit = breaker.circuit("stormy", probing(2))
    generations: list[list[int]] = []
    moves: list[Callable[[], object]] = [
        lambda: circuit.call_sync(broken_sync),
        lambda: circuit.call_sync(fine_sync),
        lambda: inside.settle(circuit, inside.admit(circuit), Outcome.NOT_COUNTED),
        lambda: inside.reset_here(circuit),
        circuit.stats,
        lambda: clock.advance(OPEN_TIME),
    ]

    def storm() -> None:
        seen: list[int] = []
        for turn in range(600):
            try:
                moves[(turn * 7 + len(seen)) % len(moves)]()
            except (BrokenError, CircuitOpenError):
                pass
            seen.append(inside.of(circuit).generation)
        generations.append(seen)

    run_in_threads(THREADS, storm)
    assert all(seen == sorted(seen) for seen in generations)
    core = inside.of(circuit)
    assert (core.free_permit is None) == (core.state != "CLOSED")
    clock.advance(2 * OPEN_TIME)
    for _ in range(2):
        circuit.call_sync(fine_sync)
    assert circuit.state == "CLOSED"


@pytest.mark.parametrize("late", ["success", "failure"])
async def test_a_late_result_moves_nothing(circuit: Circuit, clock: ManualClock, late: str) -> None:
    go = asyncio.Event()

    async def slow() -> None:
        await go.wait()
        if late == "failure":
            raise BrokenError

    calls = [asyncio.create_task(circuit.call(slow)) for _ in range(5)]
    await asyncio.sleep(0)
    trip(circuit)
    clock.advance(5)
    go.set()
    await asyncio.gather(*calls, return_exceptions=True)
    stats = circuit.stats()
    assert (stats.state, stats.retry_after, stats.failures) == ("OPEN", OPEN_TIME - 5, 2)


@pytest.mark.parametrize("late", ["success", "failure"])
async def test_a_result_from_before_the_outage_moves_nothing_after_it(
    breaker: HybridBreaker, clock: ManualClock, late: str
) -> None:
    circuit = breaker.circuit("back", ONE_PROBE)
    go = asyncio.Event()

    async def slow() -> None:
        await go.wait()
        if late == "failure":
            raise BrokenError

    call = asyncio.create_task(circuit.call(slow))
    await asyncio.sleep(0)
    let_probe(circuit, clock)
    circuit.call_sync(fine_sync)
    go.set()
    await asyncio.gather(call, return_exceptions=True)
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)


async def test_calls_that_fail_together_count_each(breaker: HybridBreaker) -> None:
    circuit = breaker.circuit("together", CircuitConfig(failure_threshold=10))
    gate = asyncio.Barrier(10)

    async def together() -> None:
        await gate.wait()
        await broken()

    results = await asyncio.gather(
        *(circuit.call(together) for _ in range(10)), return_exceptions=True
    )
    assert {type(result) for result in results} == {BrokenError}
    assert (circuit.state, circuit.stats().failures) == ("OPEN", 10)


async def test_two_event_loops_share_one_circuit(circuit: Circuit) -> None:
    def in_another_loop() -> None:
        with pytest.raises(BrokenError):
            asyncio.run(circuit.call(broken))

    for _ in range(2):
        await asyncio.wait_for(asyncio.to_thread(in_another_loop), PATIENCE)
    with pytest.raises(CircuitOpenError):
        await circuit.call(broken)
