"""``breaker.on_change``: who is told of which change, when, and with what cause."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Cause,
    Circuit,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
    StateChange,
)
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

from .parts import (
    ONE_PROBE,
    OPEN_TIME,
    BrokenError,
    broken_sync,
    fail,
    fine,
    fine_sync,
    let_probe,
    run_in_threads,
    trip,
)

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN

Told = list[tuple[str, str, str]]


@pytest.fixture
def told(breaker: HybridBreaker) -> Told:
    heard: Told = []
    breaker.on_change(lambda change: heard.append((change.old, change.new, change.cause)))
    return heard


async def test_each_change_is_told_with_its_cause(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock, told: Told
) -> None:
    let_probe(circuit, clock)
    fail(circuit)
    clock.advance(OPEN_TIME)
    for _ in range(2):
        circuit.call_sync(fine_sync)
    trip(circuit)
    await circuit.reset()
    FleetSide(circuit).adopt(News(1, "b", OPEN, failures=2, successes=0, remaining=5.0))
    FleetSide(circuit).adopt(News(2, "b", CLOSED, failures=0, successes=0, remaining=0.0))
    assert told == [
        (CLOSED, OPEN, Cause.FAILURES),
        (OPEN, HALF_OPEN, Cause.TIMEOUT),
        (HALF_OPEN, OPEN, Cause.PROBE_FAILED),
        (OPEN, HALF_OPEN, Cause.TIMEOUT),
        (HALF_OPEN, CLOSED, Cause.PROBES_SUCCEEDED),
        (CLOSED, OPEN, Cause.FAILURES),
        (OPEN, CLOSED, Cause.RESET),
        (CLOSED, OPEN, Cause.FLEET),
        (OPEN, CLOSED, Cause.FLEET),
    ]


async def test_what_changes_no_state_is_not_told(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock, told: Told
) -> None:
    fail(circuit)
    circuit.call_sync(fine_sync)
    await circuit.reset()
    await breaker.reset("never-used")
    FleetSide(circuit).adopt(News(1, "b", CLOSED, failures=0, successes=0, remaining=0.0))
    assert told == []
    let_probe(circuit, clock)
    clock.advance(1000)
    circuit.stats()
    assert told == [(CLOSED, OPEN, Cause.FAILURES)]


def test_generations_put_changes_in_order(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    changes: list[StateChange] = []
    breaker.on_change(changes.append)
    let_probe(circuit, clock)
    fail(circuit)
    assert [change.key for change in changes] == ["inventory-api"] * 3
    assert [change.generation for change in changes] == [1, 2, 3]


def test_the_end_of_the_open_time_is_told_even_when_the_probe_takes_long(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock, told: Told
) -> None:
    let_probe(circuit, clock)
    with circuit.guard():
        assert told[-1] == (OPEN, HALF_OPEN, Cause.TIMEOUT)


def test_a_listener_that_raises_is_logged_and_harms_nothing(
    breaker: HybridBreaker, circuit: Circuit, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(change: StateChange) -> None:
        raise RuntimeError("no good")

    later: list[StateChange] = []
    breaker.on_change(raising)
    breaker.on_change(later.append)
    with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
        trip(circuit)
    assert circuit.state == "OPEN"
    assert len(later) == 1
    assert [record.exc_info is not None for record in caplog.records] == [True]
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(fine_sync)


async def test_a_listener_may_call_back_into_the_breaker(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    done: list[object] = []

    def look(change: StateChange) -> None:
        done.append(breaker.stats(change.key).state)
        done.append(breaker.circuit("made by a listener").call_sync(fine_sync))
        with pytest.raises(CircuitOpenError):
            circuit.call_sync(fine_sync)
        done.append([one.key for one in breaker.circuits()])

    breaker.on_change(look)
    trip(circuit)
    assert done == [OPEN, 1, ["inventory-api", "made by a listener"]]


def test_no_lock_is_held_while_a_listener_runs(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    """Another thread can use the same circuit meanwhile."""
    seen: list[str] = []

    def ask_elsewhere(change: StateChange) -> None:
        run_in_threads(1, lambda: seen.append(breaker.circuit(change.key).stats().state))

    breaker.on_change(ask_elsewhere)
    let_probe(circuit, clock)
    for _ in range(2):
        circuit.call_sync(fine_sync)
    trip(circuit)
    inside.reset_here(circuit)
    FleetSide(circuit).adopt(News(1, "b", OPEN, failures=2, successes=0, remaining=5.0))
    assert seen == [OPEN, HALF_OPEN, CLOSED, OPEN, CLOSED, OPEN]


def test_a_listener_may_reset_the_circuit_that_it_hears_of(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    circuit = breaker.circuit("one", ONE_PROBE)
    let_probe(circuit, clock)
    undo = breaker.on_change(lambda _: inside.reset_here(circuit))
    with pytest.raises(BrokenError):
        circuit.call_sync(broken_sync)  # admitted as a probe; a result of an earlier generation
    undo()
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)


def test_what_it_calls_is_not_inside_of_the_call_that_brought_the_change_about(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    """Else a probe would have the outcome of the listener's call, and lend it its place."""
    probed, other = breaker.circuit("one", ONE_PROBE), breaker.circuit("other")
    let_probe(probed, clock)
    seen: list[type[Exception] | None] = []

    def listen(change: StateChange) -> None:
        if change.key == "other":
            try:
                probed.call_sync(fine_sync)
            except CircuitOpenError as error:
                seen.append(type(error))

    breaker.on_change(listen)
    with probed.guard():
        trip(other)
        assert seen == [CircuitOpenError]
        assert probed.state == "HALF_OPEN"
        probed.call_sync(fine_sync)  # this one is inside
    assert probed.state == "CLOSED"


async def test_a_task_that_it_begins_is_not_inside_of_that_call_either(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    probed, other = breaker.circuit("one", ONE_PROBE), breaker.circuit("other")
    let_probe(probed, clock)
    begun: list[asyncio.Task[int]] = []

    async def call() -> int:
        return await probed.call(fine)

    breaker.on_change(lambda change: change.key == "other" and begun.append(spawn(call())))
    with probed.guard():
        trip(other)
        with pytest.raises(CircuitOpenError):
            await begun[0]


def spawn(work: Coroutine[Any, Any, int]) -> asyncio.Task[int]:
    return asyncio.get_running_loop().create_task(work)


def test_nor_is_what_a_logging_handler_calls(breaker: HybridBreaker, clock: ManualClock) -> None:
    probed, other = breaker.circuit("one", ONE_PROBE), breaker.circuit("other")
    let_probe(probed, clock)
    rejected: list[str] = []

    class Sending(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                probed.call_sync(fine_sync)
            except CircuitOpenError as error:
                rejected.append(error.key)

    log, handler = logging.getLogger("fastapi_hybrid_breaker"), Sending()
    log.addHandler(handler)
    try:
        with probed.guard():
            trip(other)
    finally:
        log.removeHandler(handler)
    assert rejected == ["one"]


def test_undone_it_is_told_no_more(breaker: HybridBreaker, circuit: Circuit) -> None:
    heard: list[StateChange] = []
    undo = breaker.on_change(heard.append)
    undo()
    undo()
    trip(circuit)
    assert heard == []


def test_one_listener_subscribed_twice_is_told_twice_and_undone_one_by_one(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    heard: list[StateChange] = []
    listener = heard.append
    undo = breaker.on_change(listener)
    breaker.on_change(listener)
    trip(circuit)
    assert len(heard) == 2
    undo()
    undo()
    inside.reset_here(circuit)
    assert len(heard) == 3


def test_a_listener_may_undo_itself(breaker: HybridBreaker, circuit: Circuit) -> None:
    heard: list[StateChange] = []
    undo: list[Callable[[], None]] = []

    def once(change: StateChange) -> None:
        heard.append(change)
        undo[0]()

    undo.append(breaker.on_change(once))
    other: list[StateChange] = []
    breaker.on_change(other.append)
    trip(circuit)
    inside.reset_here(circuit)
    assert (len(heard), len(other)) == (1, 2)


def test_subscriptions_made_in_many_threads_are_all_kept(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    heard: list[StateChange] = []

    def subscribe() -> None:
        for _ in range(50):
            breaker.on_change(heard.append)

    run_in_threads(8, subscribe)
    trip(circuit)
    assert len(heard) == 400


async def test_it_runs_in_the_thread_that_brought_the_change_about(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    threads: list[int] = []
    breaker.on_change(lambda _: threads.append(threading.get_ident()))
    worker = await asyncio.to_thread(_trip_and_tell_thread, circuit)
    await circuit.reset()
    assert threads == [worker, threading.get_ident()]


def _trip_and_tell_thread(circuit: Circuit) -> int:
    trip(circuit)
    return threading.get_ident()


def test_each_change_is_logged_once(circuit: Circuit, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fastapi_hybrid_breaker"):
        trip(circuit)
    messages = [record.getMessage() for record in caplog.records]
    why = "2 failures in a row; BrokenError"
    assert messages == [f"circuit inventory-api: CLOSED -> OPEN (failures): {why}"]
