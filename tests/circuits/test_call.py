"""``await circuit.call(fn)`` and what all asynchronous shapes of it have in common."""

from __future__ import annotations

import asyncio
import gc
import time
import traceback
import weakref
from collections.abc import Generator
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import (
    OPEN_TIME,
    BrokenError,
    Shape,
    broken,
    each_async_shape,
    fail,
    fine,
    let_probe,
    trip,
)


@each_async_shape
async def test_trips_rejects_probes_and_closes(
    circuit: Circuit, clock: ManualClock, shape: Shape
) -> None:
    assert await shape(circuit, fine) == 1
    for _ in range(2):
        with pytest.raises(BrokenError):
            await shape(circuit, broken)
    assert circuit.state == "OPEN"
    with pytest.raises(CircuitOpenError):
        await shape(circuit, fine)
    clock.advance(OPEN_TIME)
    assert [(await shape(circuit, fine), str(circuit.state)) for _ in range(2)] == [
        (1, "HALF_OPEN"),
        (1, "CLOSED"),
    ]
    assert circuit.stats().failures == 0


@each_async_shape
async def test_a_failing_probe_opens_it_again(
    circuit: Circuit, clock: ManualClock, shape: Shape
) -> None:
    let_probe(circuit, clock)
    with pytest.raises(BrokenError):
        await shape(circuit, broken)
    assert (circuit.state, circuit.stats().retry_after) == ("OPEN", OPEN_TIME)


@each_async_shape
async def test_a_rejected_call_is_not_made(circuit: Circuit, shape: Shape) -> None:
    trip(circuit)
    made = []

    async def call() -> None:
        made.append(1)

    with pytest.raises(CircuitOpenError) as caught:
        await shape(circuit, call)
    assert made == []
    assert (caught.value.key, caught.value.retry_after) == ("inventory-api", OPEN_TIME)
    assert circuit.stats().rejected == 1


@each_async_shape
async def test_a_success_ends_the_run_of_failures(circuit: Circuit, shape: Shape) -> None:
    for _ in range(3):
        fail(circuit)
        await shape(circuit, fine)
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)


async def test_arguments_pass_whatever_they_are_called(
    breaker: HybridBreaker, circuit: Circuit, clock: ManualClock
) -> None:
    async def take(*args: object, **kwargs: object) -> object:
        return args, kwargs

    execute: Any = circuit.execute
    named = {"fn": 1, "self": 2, "key": 3, "permit": 4, "circuit": 5}
    wanted = ((7, 8), named)
    for is_probe in (False, True):  # they go different ways
        if is_probe:
            let_probe(circuit, clock)
        assert await circuit.call(take, 7, 8, **named) == wanted
        assert await execute(take, 7, 8, **named) == wanted
        await circuit.reset()
    execute = breaker.execute
    assert await execute("other", take, 7, 8, **named) == wanted


class Later:
    """Neither a coroutine nor a future, but can be awaited."""

    def __await__(self) -> Generator[Any, None, str]:
        yield from asyncio.sleep(0).__await__()
        return "later"


@pytest.mark.parametrize("is_probe", [False, True])
async def test_whatever_can_be_awaited_is(
    circuit: Circuit, clock: ManualClock, is_probe: bool
) -> None:
    if is_probe:
        let_probe(circuit, clock)
    future = asyncio.get_running_loop().create_future()
    future.set_result("future")
    assert await circuit.call(lambda: future) == "future"
    assert await circuit.call(Later) == "later"


@pytest.mark.parametrize("is_probe", [False, True])
async def test_the_error_arrives_as_it_was_raised(
    circuit: Circuit, clock: ManualClock, is_probe: bool
) -> None:
    if is_probe:
        let_probe(circuit, clock)
    error = BrokenError("as it was")

    async def raise_it() -> None:
        raise error

    with pytest.raises(BrokenError) as caught:
        await circuit.call(raise_it)
    assert caught.value is error
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "raise_it" in {frame.name for frame in traceback.extract_tb(error.__traceback__)}


@each_async_shape
@pytest.mark.parametrize("is_probe", [False, True])
async def test_no_error_is_kept_alive(
    circuit: Circuit, clock: ManualClock, shape: Shape, is_probe: bool
) -> None:
    if is_probe:
        let_probe(circuit, clock)
    died = []

    async def go() -> None:
        try:
            await shape(circuit, broken)
        except BrokenError as error:
            died.append(weakref.ref(error))

    gc.disable()  # a cycle would keep the error and all its frames until a collection
    try:
        await go()
        assert died[0]() is None
    finally:
        gc.enable()


async def test_a_call_that_is_never_awaited_counts_nothing(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)
    for _ in range(5):
        circuit.call(broken).close()
    assert circuit.state == "OPEN"


async def test_a_call_is_admitted_when_it_runs_and_not_when_it_is_made(
    circuit: Circuit, clock: ManualClock
) -> None:
    made = circuit.call(fine)
    trip(circuit)
    with pytest.raises(CircuitOpenError):
        await made


async def test_figures_tell_the_next_attempt_by_the_wall_clock(
    circuit: Circuit, clock: ManualClock
) -> None:
    assert circuit.stats().next_attempt is None
    trip(circuit)
    clock.advance(4)
    before = time.time()
    stats = circuit.stats()
    after = time.time()
    assert stats.next_attempt is not None
    assert before + 6 <= stats.next_attempt <= after + 6
    assert stats.retry_after == 6.0
    assert (stats.state, stats.failures) == ("OPEN", 2)


async def test_looking_past_the_open_time_changes_nothing(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)
    clock.advance(1000)
    for _ in range(3):
        assert circuit.state is CircuitState.OPEN
        assert circuit.stats().retry_after == 0.0


async def test_a_wait_is_told_while_probes_run_and_never_zero(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)
    with circuit.guard(), circuit.guard():  # the second runs inside the first's probe
        pass
    inside.admit(circuit)
    with pytest.raises(CircuitOpenError) as caught:
        for _ in range(3):
            inside.admit(circuit)
    assert caught.value.retry_after == 1.0
