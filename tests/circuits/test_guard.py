"""Blocks: ``with circuit.guard():``, wherever it is entered and left."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.circuits.context import enclosing_probe
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .parts import ONE_PROBE, PATIENCE, BrokenError, fine, let_probe, trip


@pytest.fixture
def one(breaker: HybridBreaker) -> Circuit:
    return breaker.circuit("one", ONE_PROBE)


def elsewhere(work: Any) -> None:
    """Run ``work`` in a thread of its own."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


async def in_task(work: Any) -> None:
    async def run() -> None:
        work()

    await asyncio.create_task(run())


async def test_entered_in_one_task_and_left_in_another_it_counts(
    one: Circuit, clock: ManualClock
) -> None:
    let_probe(one, clock)
    guard = one.guard()
    await in_task(guard.__enter__)
    with pytest.raises(CircuitOpenError):
        inside.admit(one)
    await in_task(lambda: guard.__exit__(None, None, None))
    assert one.state == "CLOSED"


def test_entered_in_one_thread_and_left_in_another_it_counts(one: Circuit) -> None:
    guard = one.guard()
    elsewhere(guard.__enter__)
    error = BrokenError()
    elsewhere(lambda: guard.__exit__(BrokenError, error, None))
    assert one.state == "OPEN"


async def test_left_elsewhere_it_lends_its_permit_to_nobody(
    one: Circuit, clock: ManualClock
) -> None:
    let_probe(one, clock)
    guard = one.guard()
    guard.__enter__()
    elsewhere(lambda: guard.__exit__(BrokenError, BrokenError(), None))
    assert one.state == "OPEN"
    clock.advance(10)
    with one.guard():  # a probe of its own: its verdict counts
        pass
    assert one.state == "CLOSED"


def test_guards_left_elsewhere_leave_nothing_that_piles_up(
    one: Circuit, clock: ManualClock
) -> None:
    for _ in range(5):
        let_probe(one, clock)
        guard = one.guard()
        guard.__enter__()
        elsewhere(functools.partial(guard.__exit__, BrokenError, BrokenError(), None))
    depth, probe = 0, inside.permit_in_context()
    while probe is not None:
        depth, probe = depth + 1, probe.outer
    assert depth <= 1


def test_what_follows_a_probe_in_its_context_is_not_inside_of_it(
    circuit: Circuit, clock: ManualClock
) -> None:
    let_probe(circuit, clock)

    def in_a_context() -> list[bool]:
        found = []
        with circuit.guard():
            found.append(enclosing_probe(inside.of(circuit).machine, clock()) is not None)
        found.append(enclosing_probe(inside.of(circuit).machine, clock()) is not None)
        found.append(isinstance(inside.admit(circuit), Probe))  # one of its own, nothing borrowed
        return found

    assert contextvars.Context().run(in_a_context) == [True, False, True]


def test_probes_left_in_another_order_than_entered(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    first, second = breaker.circuit("a", ONE_PROBE), breaker.circuit("b", ONE_PROBE)
    trip(first)
    trip(second)
    clock.advance(10)
    one, two = first.guard(), second.guard()
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    with second.guard():  # still inside of the second's probe, and so not rejected
        pass
    two.__exit__(None, None, None)
    assert (first.state, second.state) == ("CLOSED", "CLOSED")
    probe = inside.permit_in_context()
    while probe is not None:
        assert not probe.is_running()
        probe = probe.outer


def test_entered_twice_at_once_it_is_an_error_and_later_a_fresh_permit(circuit: Circuit) -> None:
    guard = circuit.guard()
    with guard, pytest.raises(RuntimeError, match="'inventory-api' is entered already"):
        guard.__enter__()
    for _ in range(2):
        with pytest.raises(BrokenError), guard:
            raise BrokenError
    with pytest.raises(CircuitOpenError):
        guard.__enter__()
    with pytest.raises(RuntimeError, match="'inventory-api' is not entered"):
        guard.__exit__(None, None, None)


def test_left_twice_it_counts_once(one: Circuit, clock: ManualClock) -> None:
    let_probe(one, clock)
    guard = one.guard()
    guard.__enter__()
    guard.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="not entered"):
        guard.__exit__(BrokenError, BrokenError(), None)
    assert one.state == "CLOSED"


def test_made_and_never_entered_it_takes_nothing(one: Circuit, clock: ManualClock) -> None:
    let_probe(one, clock)
    guards = [one.guard() for _ in range(10)]
    with guards[0]:
        pass
    assert one.state == "CLOSED"


def test_entered_and_never_left_it_gives_its_place_back_at_its_deadline(
    one: Circuit, clock: ManualClock
) -> None:
    let_probe(one, clock)
    elsewhere(one.guard().__enter__)
    with pytest.raises(CircuitOpenError):
        inside.admit(one)
    clock.advance(10)
    with one.guard():
        pass
    assert one.state == "CLOSED"


def test_an_exit_stack_may_hold_it(circuit: Circuit) -> None:
    with pytest.raises(BrokenError), ExitStack() as stack:
        stack.enter_context(circuit.guard())
        raise BrokenError
    assert circuit.stats().failures == 1


async def test_async_generator_resource_may_use_guard_across_tasks(one: Circuit) -> None:
    @asynccontextmanager
    async def resource() -> AsyncIterator[str]:
        async with one.guard():
            yield "open"

    manager = resource()
    assert await asyncio.create_task(manager.__aenter__()) == "open"
    await asyncio.create_task(manager.__aexit__(None, None, None))
    assert one.state == "CLOSED"
    assert await one.call(fine) == 1
