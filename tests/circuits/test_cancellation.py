"""Calls that do not end by themselves: cancelled, timed out, dropped, or never."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import lock_of

from .parts import (
    ASYNC_SHAPES,
    ONE_PROBE,
    OPEN_TIME,
    PATIENCE,
    BrokenError,
    Shape,
    each_async_shape,
    fine,
    let_probe,
)


@pytest.fixture
def one(breaker: HybridBreaker, clock: ManualClock) -> Circuit:
    """Return a circuit whose next call is its only probe."""
    circuit = breaker.circuit("one", ONE_PROBE)
    let_probe(circuit, clock)
    return circuit


async def never() -> None:
    await asyncio.Event().wait()


async def begun(call: object) -> asyncio.Task[object]:
    """Start a call and let it run up to where it waits."""
    task = asyncio.ensure_future(call)  # type: ignore[call-overload]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()
    return task  # type: ignore[no-any-return]


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@each_async_shape
async def test_cancelled_while_closed_it_counts_nothing(circuit: Circuit, shape: Shape) -> None:
    for _ in range(5):
        await cancel(await begun(shape(circuit, never)))
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)


@each_async_shape
async def test_the_only_probe_is_cancelled_under_steady_traffic(one: Circuit, shape: Shape) -> None:
    for _ in range(3):
        probe = await begun(shape(one, never))
        for _ in range(20):  # the rejected ones take nothing and renew nothing
            with pytest.raises(CircuitOpenError):
                await shape(one, fine)
        await cancel(probe)
        assert one.state == "HALF_OPEN"
    assert await shape(one, fine) == 1
    assert one.state == "CLOSED"


@each_async_shape
async def test_a_probe_that_never_returns_gives_its_place_back_at_its_deadline(
    one: Circuit, clock: ManualClock, shape: Shape
) -> None:
    stuck = await begun(shape(one, never))
    for _ in range(9):
        clock.advance(OPEN_TIME / 10)
        with pytest.raises(CircuitOpenError):
            await shape(one, fine)
    clock.advance(OPEN_TIME / 10)
    assert await shape(one, fine) == 1
    assert one.state == "CLOSED"
    await cancel(stuck)
    assert one.state == "CLOSED"


async def test_nothing_but_probes_that_never_return_does_not_wedge(
    one: Circuit, clock: ManualClock
) -> None:
    stuck = []
    for _ in range(10):
        stuck.append(await begun(one.call(never)))
        clock.advance(OPEN_TIME)
    assert await one.call(fine) == 1
    assert one.state == "CLOSED"
    for task in stuck:
        await cancel(task)


# The short form is not among them: it must be left where it was entered.
ends_anywhere = pytest.mark.parametrize("name", ["call", "execute", "decorator", "guard"])


@ends_anywhere
async def test_a_probe_whose_coroutine_is_closed_gives_its_place_back(
    one: Circuit, name: str
) -> None:
    coroutine = ASYNC_SHAPES[name](one, never)
    contextvars.copy_context().run(coroutine.send, None)
    with pytest.raises(CircuitOpenError):
        await one.call(fine)
    coroutine.close()
    await one.call(fine)
    assert one.state == "CLOSED"


@ends_anywhere
async def test_a_probe_whose_coroutine_is_dropped_gives_its_place_back(
    one: Circuit, name: str
) -> None:
    coroutine = ASYNC_SHAPES[name](one, never)
    contextvars.copy_context().run(coroutine.send, None)
    del coroutine
    gc.collect()
    await one.call(fine)
    assert one.state == "CLOSED"


async def test_cancelled_before_it_began_it_takes_nothing(one: Circuit) -> None:
    task: asyncio.Task[object] = asyncio.create_task(one.call(fine))
    await cancel(task)
    assert one.state == "OPEN"


async def test_a_time_out_around_the_call_gives_no_verdict(one: Circuit) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await one.call(never)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.call(never), 0.001)
    assert one.state == "HALF_OPEN"


async def test_a_time_out_inside_the_call_is_a_failure(one: Circuit) -> None:
    async def impatient() -> None:
        async with asyncio.timeout(0):
            await never()

    with pytest.raises(TimeoutError):
        await one.call(impatient)
    assert one.state == "OPEN"


async def test_a_call_cancelled_for_a_sibling_that_failed_gives_no_verdict(one: Circuit) -> None:
    async def fail_soon() -> None:
        await asyncio.sleep(0)
        raise BrokenError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(one.call(never))
            group.create_task(fail_soon())
    assert one.state == "HALF_OPEN"
    await one.call(fine)
    assert one.state == "CLOSED"


async def test_cancellation_turned_into_an_answer_is_a_success(one: Circuit) -> None:
    async def stubborn() -> str:
        try:
            await never()
        except asyncio.CancelledError:
            pass
        return "answer"

    task = await begun(one.call(stubborn))
    task.cancel()
    assert await task == "answer"
    assert one.state == "CLOSED"


async def test_cancellation_turned_into_an_error_is_a_failure(one: Circuit) -> None:
    async def breaking() -> None:
        try:
            await never()
        finally:
            raise BrokenError  # as a clean-up that fails

    task = await begun(one.call(breaking))
    task.cancel()
    with pytest.raises(BrokenError):
        await task
    assert one.state == "OPEN"


async def test_a_call_shielded_from_its_callers_cancellation_still_gives_its_verdict(
    one: Circuit,
) -> None:
    go = asyncio.Event()
    inner = asyncio.create_task(one.call(go.wait))

    async def shielded() -> bool:
        return await asyncio.shield(inner)

    await cancel(await begun(shielded()))
    assert one.state == "HALF_OPEN"
    go.set()
    await inner
    assert one.state == "CLOSED"


async def test_a_call_cancelled_after_it_was_decided_elsewhere_changes_nothing(
    one: Circuit,
) -> None:
    probe = await begun(one.call(never))
    await one.reset()
    await cancel(probe)
    assert (one.state, one.stats().failures) == ("CLOSED", 0)


def guarded_steps(circuit: Circuit) -> Iterator[int]:
    with circuit.guard():
        yield 1
        yield 2


def test_a_generator_dropped_in_its_guard_gives_its_place_back(one: Circuit) -> None:
    # A generator has no context of its own: what drives it is inside of its guard as well.
    steps = guarded_steps(one)
    driver = contextvars.copy_context()
    assert driver.run(next, steps) == 1
    with pytest.raises(CircuitOpenError):
        next(guarded_steps(one))
    del steps
    gc.collect()
    assert list(guarded_steps(one)) == [1, 2]
    assert one.state == "CLOSED"


async def test_an_async_generator_left_half_way_gives_its_place_back(one: Circuit) -> None:
    async def stream() -> AsyncIterator[int]:
        async with one.guard():
            yield 1
            yield 2

    steps = stream()
    assert await anext(steps) == 1
    await steps.aclose()  # type: ignore[attr-defined]
    assert [step async for step in stream()] == [1, 2]
    assert one.state == "CLOSED"


class Knot:
    """Part of a cycle: only the collector of garbage ends what it holds."""

    def __init__(self) -> None:
        self.me = self
        self.held: Iterator[int]


@pytest.mark.parametrize("locked", ["circuit", "registry"])
def test_a_generator_collected_under_a_lock_that_it_needs_does_not_hang(
    breaker: HybridBreaker, one: Circuit, locked: str
) -> None:
    """The collector can run at any allocation, also under a lock, and ends the generator there."""
    ended = threading.Event()

    def steps_that_look_up_at_their_end() -> Iterator[int]:
        try:
            yield from guarded_steps(one)
        finally:
            breaker.circuit("looked up by a finalizer")
            ended.set()

    knot = Knot()
    knot.held = steps_that_look_up_at_their_end()
    next(knot.held)
    del knot
    lock = lock_of(one) if locked == "circuit" else inside.lock_of_registry(breaker)

    def collect_under_the_lock() -> None:
        with lock:
            gc.collect()

    thread = threading.Thread(target=collect_under_the_lock, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "locked for ever"
    assert ended.is_set()
    inside.admit(one)  # the place came back
