"""``circuit.call_sync(fn)`` and what all synchronous shapes of it have in common."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import (
    ONE_PROBE,
    OPEN_TIME,
    BrokenError,
    Shape,
    broken_sync,
    each_sync_shape,
    fine_sync,
    let_probe,
    trip,
)


@each_sync_shape
def test_trips_rejects_probes_and_closes(
    circuit: Circuit, clock: ManualClock, shape: Shape
) -> None:
    assert shape(circuit, fine_sync) == 1
    for _ in range(2):
        with pytest.raises(BrokenError):
            shape(circuit, broken_sync)
    assert circuit.state == "OPEN"
    with pytest.raises(CircuitOpenError):
        shape(circuit, fine_sync)
    clock.advance(OPEN_TIME)
    assert [(shape(circuit, fine_sync), str(circuit.state)) for _ in range(2)] == [
        (1, "HALF_OPEN"),
        (1, "CLOSED"),
    ]


@each_sync_shape
def test_a_failing_probe_opens_it_again(circuit: Circuit, clock: ManualClock, shape: Shape) -> None:
    let_probe(circuit, clock)
    with pytest.raises(BrokenError):
        shape(circuit, broken_sync)
    assert (circuit.state, circuit.stats().retry_after) == ("OPEN", OPEN_TIME)


@each_sync_shape
def test_a_rejected_call_is_not_made(circuit: Circuit, shape: Shape) -> None:
    trip(circuit)
    made: list[int] = []
    with pytest.raises(CircuitOpenError):
        shape(circuit, lambda: made.append(1))
    assert made == []


@each_sync_shape
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_probe_gives_its_place_back(
    breaker: HybridBreaker, clock: ManualClock, shape: Shape, stop: type[BaseException]
) -> None:
    circuit = breaker.circuit("one", ONE_PROBE)
    let_probe(circuit, clock)

    def interrupted() -> None:
        raise stop

    for _ in range(3):
        with pytest.raises(stop):
            shape(circuit, interrupted)
    assert circuit.state == "HALF_OPEN"
    assert shape(circuit, fine_sync) == 1
    assert circuit.state == "CLOSED"


@each_sync_shape
@pytest.mark.parametrize("is_probe", [False, True])
def test_no_error_is_kept_alive(
    circuit: Circuit, clock: ManualClock, shape: Shape, is_probe: bool
) -> None:
    if is_probe:
        let_probe(circuit, clock)
    died = []

    def go() -> None:
        try:
            shape(circuit, broken_sync)
        except BrokenError as error:
            died.append(weakref.ref(error))

    gc.disable()  # a cycle would keep the error and all its frames until a collection
    try:
        go()
        assert died[0]() is None
    finally:
        gc.enable()


def test_arguments_pass_whatever_they_are_called(circuit: Circuit, clock: ManualClock) -> None:
    def take(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    named = {"fn": 1, "self": 2, "key": 3}
    assert circuit.call_sync(take, 7, **named) == ((7,), named)
    let_probe(circuit, clock)
    assert circuit.call_sync(take, 7, **named) == ((7,), named)


async def test_a_worker_thread_and_the_event_loop_share_one_circuit(circuit: Circuit) -> None:
    with pytest.raises(BrokenError):
        await asyncio.to_thread(circuit.call_sync, broken_sync)
    with pytest.raises(BrokenError):
        circuit.call_sync(broken_sync)
    with pytest.raises(CircuitOpenError):
        await asyncio.to_thread(circuit.call_sync, fine_sync)


def test_a_result_that_is_false_or_none_is_a_success(circuit: Circuit, clock: ManualClock) -> None:
    let_probe(circuit, clock)
    assert circuit.call_sync(lambda: None) is None
    assert circuit.call_sync(lambda: False) is False
    assert circuit.state == "CLOSED"
