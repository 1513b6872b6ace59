"""A guarded call inside a probe of its circuit: one permit, one verdict."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import (
    ONE_PROBE,
    OPEN_TIME,
    BrokenError,
    Shape,
    broken,
    each_async_shape,
    each_sync_shape,
    fine,
    fine_sync,
    let_probe,
    trip,
)


@pytest.fixture
def one(breaker: HybridBreaker, clock: ManualClock) -> Circuit:
    """Return a circuit whose next call is its only probe."""
    circuit = breaker.circuit("one", ONE_PROBE)
    let_probe(circuit, clock)
    return circuit


@each_async_shape
async def test_a_call_inside_the_only_probe_is_not_rejected(one: Circuit, shape: Shape) -> None:
    async def inner() -> int:
        return await one.call(fine, 3)

    assert await shape(one, inner) == 3
    assert one.state == "CLOSED"


@each_async_shape
async def test_the_only_probe_may_be_asked_for_inside_in_any_shape(
    one: Circuit, shape: Shape
) -> None:
    async def outer() -> int:
        result: int = await shape(one, fine)
        return result

    assert await one.call(outer) == 1
    assert one.state == "CLOSED"


@each_sync_shape
def test_a_sync_call_inside_the_only_probe_is_not_rejected(one: Circuit, shape: Shape) -> None:
    assert shape(one, lambda: shape(one, fine_sync)) == 1
    assert one.state == "CLOSED"


async def test_a_failure_inside_is_the_verdict_although_a_fallback_answers(one: Circuit) -> None:
    async def with_fallback() -> str:
        try:
            await one.call(broken)
        except BrokenError:
            return "fallback"
        return "real"

    assert await one.call(with_fallback) == "fallback"
    assert (one.state, one.stats().retry_after) == ("OPEN", OPEN_TIME)


async def test_a_success_inside_is_the_verdict_although_the_rest_fails(one: Circuit) -> None:
    async def outer() -> None:
        await one.call(fine)
        raise BrokenError

    with pytest.raises(BrokenError):
        await one.call(outer)
    assert (one.state, one.stats().failures) == ("CLOSED", 0)


async def test_one_probe_with_many_calls_inside_gives_one_success(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=3, half_open_max_calls=1)
    circuit = breaker.circuit("patient", config)
    let_probe(circuit, clock)

    async def outer() -> None:
        gate = asyncio.Barrier(5)

        async def together() -> None:
            await gate.wait()

        await asyncio.gather(*(circuit.call(together) for _ in range(5)))

    await circuit.call(outer)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)


@pytest.mark.parametrize("inner_ends", ["cancelled", "rejected elsewhere", "misused"])
async def test_no_verdict_inside_leaves_the_permit_with_the_outer(
    one: Circuit, inner_ends: str
) -> None:
    async def inner() -> None:
        if inner_ends == "cancelled":
            raise asyncio.CancelledError
        raise CircuitOpenError("other", 1.0)

    async def outer() -> None:
        fn = fine_sync if inner_ends == "misused" else inner
        with pytest.raises((asyncio.CancelledError, CircuitOpenError, TypeError)):
            await one.call(fn)  # type: ignore[arg-type]
        elsewhere: contextvars.Context = contextvars.Context()
        with pytest.raises(CircuitOpenError):  # the outer still has the only place
            elsewhere.run(inside.admit, one)

    await one.call(outer)
    assert one.state == "CLOSED"


async def test_a_cancelled_task_inside_leaves_the_permit_with_the_outer(one: Circuit) -> None:
    async def outer() -> None:
        task = asyncio.create_task(one.call(asyncio.Event().wait))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert one.state == "HALF_OPEN"
        raise BrokenError

    with pytest.raises(BrokenError):
        await one.call(outer)
    assert one.state == "OPEN"


async def test_a_worker_thread_inside_a_probe_shares_its_permit(one: Circuit) -> None:
    async def outer() -> int:
        return await asyncio.to_thread(one.call_sync, fine_sync)

    assert await one.call(outer) == 1
    assert one.state == "CLOSED"


async def test_another_task_that_outlives_its_probe_takes_a_permit_of_its_own(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=2, half_open_max_calls=1)
    circuit = breaker.circuit("two", config)
    let_probe(circuit, clock)
    go = asyncio.Event()

    async def later() -> None:
        await go.wait()
        await circuit.call(fine)

    async def outer() -> asyncio.Task[None]:
        return asyncio.create_task(later())

    task = await circuit.call(outer)
    assert circuit.stats().successes == 1
    go.set()
    await task
    assert circuit.state == "CLOSED"


async def test_a_call_inside_that_ends_after_its_probe_counts_nothing(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=2, half_open_max_calls=1)
    circuit = breaker.circuit("two", config)
    let_probe(circuit, clock)
    go = asyncio.Event()

    async def late() -> None:
        await go.wait()
        raise BrokenError

    async def outer() -> asyncio.Task[None]:
        task = asyncio.create_task(circuit.call(late))
        await asyncio.sleep(0)
        return task

    task = await circuit.call(outer)
    go.set()
    with pytest.raises(BrokenError):
        await task
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)


async def test_a_probe_of_one_circuit_is_none_of_another(
    breaker: HybridBreaker, one: Circuit, clock: ManualClock
) -> None:
    other = breaker.circuit("other", ONE_PROBE)
    trip(other)

    async def outer() -> None:
        await other.call(fine)

    with pytest.raises(CircuitOpenError) as caught:
        await one.call(outer)
    assert caught.value.key == "other"
    assert one.state == "HALF_OPEN"  # a rejection says nothing about it


async def test_a_probe_is_found_through_a_probe_of_another_circuit(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    first, second = breaker.circuit("a", ONE_PROBE), breaker.circuit("b", ONE_PROBE)
    trip(first)
    trip(second)
    clock.advance(OPEN_TIME)

    async def innermost() -> int:
        return await first.call(fine, 9)

    async def inner() -> int:
        return await second.call(innermost)

    assert await first.call(inner) == 9
    assert (first.state, second.state) == ("CLOSED", "CLOSED")


async def test_nor_does_a_probe_of_another_circuit_that_has_ended_hide_it(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=3, recovery_timeout=OPEN_TIME)
    first, second = breaker.circuit("a", config), breaker.circuit("b", config)
    trip(first)
    trip(second)
    clock.advance(OPEN_TIME)

    async def outer() -> None:
        await second.call(fine)
        await first.call(fine)

    await first.call(outer)
    assert (first.stats().successes, second.stats().successes) == (1, 1)


async def test_a_probe_that_became_late_lends_nothing(one: Circuit, clock: ManualClock) -> None:
    """Its circuit opened again and half-opened again while it ran."""
    go = asyncio.Event()
    seen: list[str] = []

    async def outer() -> None:
        await go.wait()
        try:
            await one.call(fine)
        except CircuitOpenError:
            seen.append("rejected")

    task = asyncio.create_task(one.call(outer))
    await asyncio.sleep(0)
    await one.reset()
    let_probe(one, clock)
    probe = inside.admit(one)
    go.set()
    await task
    assert seen == ["rejected"]
    assert one.state == "HALF_OPEN"
    assert probe is not None


async def test_an_overdue_probe_still_lends_its_permit(one: Circuit, clock: ManualClock) -> None:
    async def outer() -> int:
        clock.advance(10 * OPEN_TIME)
        return await one.call(fine)

    assert await one.call(outer) == 1
    assert one.state == "CLOSED"


@each_async_shape
async def test_calls_inside_of_one_probe_are_not_bounded(
    breaker: HybridBreaker, clock: ManualClock, shape: Shape
) -> None:
    """A limit: one probe whose body makes 200 calls at once makes 200 calls."""
    config = CircuitConfig(failure_threshold=1, success_threshold=2, half_open_max_calls=1)
    circuit = breaker.circuit("fan-out", config)
    let_probe(circuit, clock)
    together = asyncio.Barrier(200)

    async def outer() -> None:
        await asyncio.gather(*(circuit.call(together.wait) for _ in range(200)))

    await shape(circuit, outer)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)  # it is one probe
    assert circuit.stats().rejected == 0
