"""Many changes in one turn of an event loop: delivered in slices, in order, and none is lost."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker, StateChange
from fastapi_hybrid_breaker.circuits.listeners import ChangeQueue
from fastapi_hybrid_breaker.core.states import CLOSED, OPEN, Cause
from tests import inside
from tests.patience import PATIENCE

from .parts import BrokenError

MANY = 1000
AT_ONCE = 16
"""What is delivered at once in each turn, whatever the clock says."""


def change(number: int) -> StateChange:
    return StateChange(f"host-{number}", CLOSED, OPEN, Cause.FAILURES, 1)


def slow_clock() -> Callable[[], float]:
    """Return a clock by which each step takes a second."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def changes(heard: list[str]) -> ChangeQueue:
    queue = ChangeQueue(slow_clock())
    queue.add(lambda one: heard.append(one.key))
    return queue


def bring_about(changes: ChangeQueue, first: int, last: int) -> None:
    for number in range(first, last):
        changes.put(change(number))
        changes.deliver()


def keys(number: int) -> list[str]:
    return [f"host-{one}" for one in range(number)]


async def fail() -> None:
    raise BrokenError


# -- slices -------------------------------------------------------------------------------------


async def test_guarded_calls_have_their_turn_while_a_thousand_circuits_open() -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=1))
    heard: list[str] = []
    breaker.on_change(lambda one: heard.append(one.key))
    between: list[int] = []

    async def note() -> None:
        between.append(len(heard))

    async def call_on() -> None:
        while len(heard) < MANY:
            await breaker.circuit("well").call(note)
            await asyncio.sleep(0)

    circuits = [breaker.circuit(f"host-{number}") for number in range(MANY)]
    calling = asyncio.create_task(call_on())
    await asyncio.gather(*(one.call(fail) for one in circuits), return_exceptions=True)
    await calling
    assert heard == keys(MANY)
    assert [number for number in between if 0 < number < MANY], between
    assert {one.state for one in circuits} == {"OPEN"}


async def test_the_first_changes_of_each_turn_are_heard_at_once_however_slow_that_is(
    changes: ChangeQueue, heard: list[str]
) -> None:
    for first in range(0, 10 * AT_ONCE, AT_ONCE):
        bring_about(changes, first, first + AT_ONCE)
        assert heard == keys(first + AT_ONCE)
        await asyncio.sleep(0)


async def test_a_change_after_a_call_is_heard_when_the_call_returns() -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=1))
    heard: list[str] = []
    breaker.on_change(lambda one: heard.append(one.key))
    for number in range(100):
        with pytest.raises(BrokenError):
            await breaker.circuit(f"host-{number}").call(fail)
        assert heard == keys(number + 1)
        await asyncio.sleep(0)


async def test_what_a_slice_leaves_is_heard_in_the_next_turns_in_order(
    changes: ChangeQueue, heard: list[str]
) -> None:
    bring_about(changes, 0, 200)
    assert AT_ONCE <= len(heard) < 3 * AT_ONCE
    seen = [len(heard)]
    while len(heard) < 200:
        await asyncio.sleep(0)
        seen.append(len(heard))
    assert heard == keys(200)
    assert max(now - before for before, now in itertools.pairwise(seen)) < 3 * AT_ONCE
    await asyncio.sleep(0)
    bring_about(changes, 200, 201)
    assert heard[-1] == "host-200"


async def test_a_change_that_comes_between_slices_is_heard_last(
    changes: ChangeQueue, heard: list[str]
) -> None:
    bring_about(changes, 0, 100)
    await asyncio.sleep(0)
    assert len(heard) < 100
    bring_about(changes, 100, 101)
    while len(heard) < 101:
        await asyncio.sleep(0)
    assert heard == keys(101)


def test_without_an_event_loop_all_are_heard_at_once(
    changes: ChangeQueue, heard: list[str]
) -> None:
    bring_about(changes, 0, 200)
    assert heard == keys(200)


async def test_a_thread_without_an_event_loop_waits_for_no_slice(
    changes: ChangeQueue, heard: list[str]
) -> None:
    bring_about(changes, 0, 100)
    assert len(heard) < 100
    threads: list[int] = []
    changes.add(lambda _: threads.append(threading.get_ident()))
    with ThreadPoolExecutor(1) as pool:
        pool.submit(bring_about, changes, 100, 200).result(PATIENCE)
        assert heard == keys(200)
        assert set(threads) == {pool.submit(threading.get_ident).result(PATIENCE)}
    await asyncio.sleep(0)
    assert heard == keys(200)


async def test_two_event_loops_share_the_work_in_order(
    changes: ChangeQueue, heard: list[str]
) -> None:
    async def bring_about_more() -> None:
        bring_about(changes, 100, 200)
        while len(heard) < 200:
            await asyncio.sleep(0)

    bring_about(changes, 0, 100)
    await asyncio.to_thread(asyncio.run, bring_about_more())
    assert heard == keys(200)


async def test_a_slice_lasts_two_milliseconds(heard: list[str]) -> None:
    now = 0.0
    changes = ChangeQueue(lambda: now)
    changes.add(lambda one: heard.append(one.key))
    bring_about(changes, 0, 3 * AT_ONCE)
    now = 0.0019
    bring_about(changes, 3 * AT_ONCE, 3 * AT_ONCE + 1)
    assert len(heard) == 3 * AT_ONCE + 1
    now = 0.002
    bring_about(changes, 3 * AT_ONCE + 1, 3 * AT_ONCE + 2)
    assert len(heard) == 3 * AT_ONCE + 1
    await asyncio.sleep(0)
    assert heard == keys(3 * AT_ONCE + 2)


# -- nothing is lost ----------------------------------------------------------------------------


def test_what_is_left_when_the_event_loop_closes_is_heard(
    changes: ChangeQueue, heard: list[str]
) -> None:
    async def bring_about_many() -> None:
        bring_about(changes, 0, MANY)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(bring_about_many())
    assert len(heard) < MANY
    loop.close()
    assert heard == keys(MANY)


def test_what_a_program_leaves_at_the_end_of_asyncio_run_is_heard(heard: list[str]) -> None:
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=1))
    breaker.on_change(lambda one: heard.append(one.key))
    circuits = [breaker.circuit(f"host-{number}") for number in range(MANY)]

    async def main() -> None:
        await asyncio.gather(*(one.call(fail) for one in circuits), return_exceptions=True)

    asyncio.run(main())
    assert heard == keys(MANY)


def test_what_a_stopped_event_loop_has_left_is_heard_before_the_next_change(
    changes: ChangeQueue, heard: list[str]
) -> None:
    async def bring_about_many(first: int, last: int) -> None:
        bring_about(changes, first, last)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(bring_about_many(0, 100))
    assert len(heard) < 100
    asyncio.run(bring_about_many(100, 200))  # another one takes over
    assert heard == keys(200)
    loop.run_until_complete(bring_about_many(200, 201))
    loop.close()
    assert heard == keys(201)


async def test_stop_leaves_nothing_unheard(heard: list[str]) -> None:
    breaker = HybridBreaker(redis=None)
    breaker.on_change(lambda one: heard.append(one.key))
    async with breaker:
        for number in range(MANY):
            inside.open_here(breaker.circuit(f"host-{number}"), 60.0)
        assert len(heard) < MANY
    assert heard == keys(MANY)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_listener_that_ends_the_program_keeps_no_change_from_others(
    changes: ChangeQueue, heard: list[str], error: type[BaseException]
) -> None:
    def interrupt(one: StateChange) -> None:
        if one.key in {"host-3", "host-90"}:
            raise error

    def last(one: StateChange) -> None:
        later.append(one.key)

    later: list[str] = []
    changes.add(interrupt)
    changes.add(last)

    def bring_about_many() -> None:
        for number in range(100):
            changes.put(change(number))
        changes.deliver()

    loop = asyncio.new_event_loop()
    loop.call_soon(bring_about_many)
    interrupted_at: list[str] = []
    while len(later) < 100:
        loop.call_soon(loop.stop)
        try:
            loop.run_forever()
        except error:
            interrupted_at.append(later[-1])
    loop.close()
    assert later == heard == keys(100)
    assert interrupted_at == ["host-2", "host-89"]


def test_without_an_event_loop_the_next_change_brings_what_an_interrupt_left(
    changes: ChangeQueue, heard: list[str]
) -> None:
    later: list[str] = []
    raised = iter([KeyboardInterrupt])

    def interrupt(_: StateChange) -> None:
        for error in raised:
            raise error

    changes.add(interrupt)
    changes.add(lambda one: later.append(one.key))
    for number in range(3):
        changes.put(change(number))
    with pytest.raises(KeyboardInterrupt):
        changes.deliver()
    bring_about(changes, 3, 4)
    assert later == heard == keys(4)


# -- whose context ------------------------------------------------------------------------------

_user: ContextVar[str] = ContextVar("user", default="nobody")


async def test_what_is_heard_later_is_not_heard_in_the_context_of_an_earlier_call(
    changes: ChangeQueue, heard: list[str]
) -> None:
    users: list[str] = []
    changes.add(lambda _: users.append(_user.get()))
    _user.set("ann")
    bring_about(changes, 0, 100)
    while len(heard) < 100:
        await asyncio.sleep(0)
    assert users[0] == "ann"
    assert users[-1] == "nobody"


async def test_a_change_by_a_listener_comes_after_all_that_was_queued_before() -> None:
    breaker = HybridBreaker(redis=None)
    heard: list[tuple[str, str]] = []

    def reset_the_first(one: StateChange) -> None:
        heard.append((one.key, one.new))
        if one.key == "host-0" and one.new == "OPEN":
            inside.reset_here(breaker.circuit("host-0"))

    breaker.on_change(reset_the_first)
    for number in range(100):
        inside.open_here(breaker.circuit(f"host-{number}"), 60.0)
    while len(heard) < 101:
        await asyncio.sleep(0)
    chain = [new for key, new in heard if key == "host-0"]
    assert chain == ["OPEN", "CLOSED"]
    assert [key for key, new in heard if new == "OPEN"] == keys(100)
