"""An error that travels outwards through guarded calls of one circuit counts once."""

from __future__ import annotations

import asyncio
import gc
from collections import deque

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.circuits.context import Request, enter_request, leave_request
from fastapi_hybrid_breaker.circuits.permits import CallPermit
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import (
    BrokenError,
    Shape,
    broken,
    broken_sync,
    each_async_shape,
    each_sync_shape,
    fail,
    fine,
    fine_sync,
    let_probe,
)


@each_async_shape
async def test_an_error_that_travels_through_two_guards_counts_once(
    circuit: Circuit, shape: Shape
) -> None:
    async def inner() -> None:
        await circuit.call(broken)

    with pytest.raises(BrokenError):
        await shape(circuit, inner)
    assert circuit.stats().failures == 1


@each_sync_shape
def test_an_error_that_travels_through_two_sync_guards_counts_once(
    circuit: Circuit, shape: Shape
) -> None:
    with pytest.raises(BrokenError):
        shape(circuit, lambda: shape(circuit, broken_sync))
    assert circuit.stats().failures == 1


async def test_an_error_that_comes_out_of_another_task_counts_once_more(circuit: Circuit) -> None:
    """A limit: nothing tells it from one object that reaches callers which run side by side."""

    async def inner() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(circuit.call(broken))

    with pytest.raises(ExceptionGroup):
        await circuit.call(inner)
    assert circuit.stats().failures == 2


async def test_another_error_raised_for_it_counts_as_well(circuit: Circuit) -> None:
    """It is one more thing that went wrong for the outer call: it has no note of being counted."""

    async def inner() -> None:
        try:
            await circuit.call(broken)
        except BrokenError as error:
            raise RuntimeError from error

    with pytest.raises(RuntimeError):
        await circuit.call(inner)
    assert circuit.state == "OPEN"


async def test_an_error_counts_once_for_each_circuit_it_travels_through(
    breaker: HybridBreaker, circuit: Circuit
) -> None:
    other = breaker.circuit("other")

    async def inner() -> None:
        await circuit.call(broken)

    with pytest.raises(BrokenError):
        await other.call(inner)
    assert (circuit.stats().failures, other.stats().failures) == (1, 1)


async def test_one_error_object_raised_again_by_a_later_call_counts_again(
    breaker: HybridBreaker,
) -> None:
    circuit = breaker.circuit("three", CircuitConfig(failure_threshold=3))
    error = BrokenError()  # such as a pool keeps of its last attempt, and raises again

    async def same() -> None:
        raise error

    for _ in range(3):
        with pytest.raises(BrokenError):
            await circuit.call(same)
    assert circuit.state == "OPEN"


async def test_one_error_object_raised_again_by_a_retry_inside_counts_again(
    breaker: HybridBreaker,
) -> None:
    circuit = breaker.circuit("three", CircuitConfig(failure_threshold=3))
    error = BrokenError()

    async def same() -> None:
        raise error

    async def retrying() -> None:
        for _ in range(2):
            with pytest.raises(BrokenError):
                await circuit.call(same)
        raise error

    with pytest.raises(BrokenError):
        await circuit.call(retrying)
    assert circuit.stats().failures == 2  # the attempts; the outer call adds none of its own


async def test_a_call_admitted_while_closed_asks_for_itself_once_the_circuit_opened(
    circuit: Circuit, clock: ManualClock
) -> None:
    async def outer() -> None:
        let_probe(circuit, clock)
        assert await circuit.call(fine) == 1  # a probe of its own
        trip_again = circuit.stats().successes
        assert trip_again == 1

    await circuit.call(outer)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)


async def test_a_trip_inside_makes_the_outer_result_late(circuit: Circuit) -> None:
    async def outer() -> None:
        fail(circuit)
        fail(circuit)

    await circuit.call(outer)
    assert (circuit.state, circuit.stats().failures) == ("OPEN", 2)


@pytest.fixture
def ramping(clock: ManualClock) -> Circuit:
    """Return a circuit that has recovered, and admits a tenth of the calls for now."""
    config = CircuitConfig(
        failure_threshold=1, success_threshold=1, recovery_timeout=10.0, ramp_seconds=40.0
    )
    circuit = HybridBreaker(redis=None, clock=clock).circuit("k", config)
    inside.open_here(circuit, 10.0)
    clock.advance(10.0)
    circuit.call_sync(fine_sync)
    return circuit


@each_async_shape
async def test_while_only_a_share_is_admitted_a_nested_call_is_no_further_call(
    ramping: Circuit, shape: Shape
) -> None:
    admitted = 0
    for _ in range(100):
        try:
            admitted += await shape(ramping, lambda: ramping.call(fine))
        except CircuitOpenError:
            continue
    assert admitted == 10


@each_sync_shape
def test_nor_is_one_in_a_sync_call(ramping: Circuit, shape: Shape) -> None:
    admitted = 0
    for _ in range(100):
        try:
            admitted += shape(ramping, lambda: ramping.call_sync(fine_sync))
        except CircuitOpenError:
            continue
    assert admitted == 10


@each_async_shape
async def test_an_enclosing_request_hears_of_a_verdict_on_a_healthy_circuit(
    circuit: Circuit, shape: Shape
) -> None:
    inside.mark_guarded_by_route(circuit)
    request = Request()
    token = enter_request(request)
    try:
        await shape(circuit, fine)
    finally:
        leave_request(token)
    assert request.counted == {inside.of(circuit).machine}


@each_async_shape
async def test_an_enclosing_request_hears_of_successes_after_a_recovery_and_a_reset_too(
    circuit: Circuit, shape: Shape
) -> None:
    inside.mark_guarded_by_route(circuit)

    async def is_heard_of() -> bool:
        request = Request()
        token = enter_request(request)
        try:
            await shape(circuit, fine)
        finally:
            leave_request(token)
        return request.counted == {inside.of(circuit).machine}

    assert await is_heard_of()
    inside.open_here(circuit, 0.0)
    while circuit.state != "CLOSED":
        assert await is_heard_of()  # a probe
    assert await is_heard_of()
    inside.reset_here(circuit)
    assert await is_heard_of()


def test_guards_held_hand_over_hand_do_not_pile_up(ramping: Circuit, clock: ManualClock) -> None:
    """In one task that goes on for ever, each is entered before the last one is left."""
    clock.advance(35.0)  # all calls are admitted, and the ramp goes on
    held = deque([ramping.guard(), ramping.guard()])
    for guard in held:
        guard.__enter__()
    for _ in range(1000):
        held.append(ramping.guard().__enter__())
        held.popleft().__exit__(None, None, None)
    gc.collect()
    machine = inside.of(ramping).machine  # other tests may have left permits behind
    kept = [one for one in gc.get_objects() if isinstance(one, CallPermit)]
    assert sum(one.machine is machine for one in kept) < 10
    for guard in held:
        guard.__exit__(None, None, None)
