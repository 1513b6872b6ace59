"""Which calls and requests the running code is inside of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitOpenError
from fastapi_hybrid_breaker.circuits import context
from fastapi_hybrid_breaker.circuits.context import (
    Request,
    enclosing_probe,
    enclosing_shadow,
    is_inside_admitted,
)
from fastapi_hybrid_breaker.circuits.permits import CallPermit, NestedPermit
from fastapi_hybrid_breaker.core.probe import Probe
from tests import inside

from .parts import OPEN_TIME, fine_sync, let_probe, trip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.circuits.permits import Permit
    from fastapi_hybrid_breaker.core.machine import StateMachine
    from fastapi_hybrid_breaker.testing import ManualClock


@pytest.fixture(autouse=True)
def _inside_of_nothing() -> Iterator[None]:
    context.enter_permit(None)
    yield
    context.enter_permit(None)


@pytest.fixture
def around() -> Iterator[Request]:
    """A request that guards nothing yet, around the one that the code is part of."""
    outer = Request()
    token = context.enter_request(Request(outer))
    yield outer
    context.leave_request(token)


def part_of(around: Request) -> Request:
    request = context.recorded_request()
    assert request is not None
    assert request.outer is around
    return request


@pytest.fixture
def machine(circuit: Circuit) -> StateMachine:
    return inside.core_of(circuit).machine


def call(machine: StateMachine, *, is_shadowed: bool = False) -> CallPermit:
    return CallPermit(machine, machine.sequence, 0.0, is_shadowed)


def probe_of(circuit: Circuit, clock: ManualClock) -> Probe:
    let_probe(circuit, clock)
    found = inside.admit(circuit)
    assert isinstance(found, Probe)
    return found


# -- calls ------------------------------------------------------------------------------------


def test_code_is_inside_of_the_call_around_one_that_was_left(machine: StateMachine) -> None:
    outer, inner = call(machine), call(machine)
    context.enter(outer)
    context.enter(inner)
    context.leave(inner)
    assert context.innermost_permit() is outer
    context.leave(inner)
    assert context.innermost_permit() is outer
    context.leave(outer)
    assert context.innermost_permit() is None


def test_a_call_that_is_left_before_those_inside_of_it_ends_with_its_outcome(
    machine: StateMachine,
) -> None:
    outer, inner = call(machine), call(machine)
    context.enter(outer)
    context.enter(inner)
    context.leave(outer)
    assert context.innermost_permit() is inner
    outer.settled = True
    context.leave(inner)
    assert not is_inside_admitted(machine)


def test_what_has_ended_is_around_no_call_that_begins(
    circuit: Circuit, machine: StateMachine
) -> None:
    """By its outcome, or since the circuit has changed its state."""
    old, settled, new = call(machine), call(machine), call(machine)
    context.enter(old)
    trip(circuit)
    context.enter(settled)
    assert settled.outer is None
    new.admitted = settled.admitted = machine.sequence
    settled.settled = True
    context.enter(new)
    assert new.outer is None


def test_only_a_call_of_this_recovery_counts_as_admitted(
    circuit: Circuit, machine: StateMachine
) -> None:
    assert not is_inside_admitted(machine)
    permit = call(machine)
    context.enter(permit)
    assert is_inside_admitted(machine)
    inside.reset_here(circuit)
    assert not is_inside_admitted(machine)


def test_a_call_that_was_admitted_anyway_does_not_pass_for_one_of_shadow_mode(
    machine: StateMachine,
) -> None:
    shadowed = call(machine, is_shadowed=True)
    context.enter(shadowed)
    assert enclosing_shadow(machine) is shadowed
    context.enter(call(machine))
    assert enclosing_shadow(machine) is None


# -- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("is_nested", [False, True])
def test_the_probe_of_a_request_is_around_its_calls_until_the_request_is_over(
    circuit: Circuit, clock: ManualClock, around: Request, is_nested: bool
) -> None:
    probe = probe_of(circuit, clock)
    permit: Permit = NestedPermit(probe, clock()) if is_nested else probe
    around.guards = ((circuit, permit),)
    machine = probe.machine
    assert enclosing_probe(machine, clock()) is probe
    around.is_over = True
    assert enclosing_probe(machine, clock()) is None
    part_of(around).guards = around.guards
    assert enclosing_probe(machine, clock()) is probe
    clock.advance(OPEN_TIME)  # its place is another's now
    assert enclosing_probe(machine, clock()) is None


@pytest.mark.parametrize("is_nested", [False, True])
def test_what_shadow_mode_lets_through_is_around_the_calls_of_its_request(
    circuit: Circuit, machine: StateMachine, around: Request, is_nested: bool
) -> None:
    shadowed = call(machine, is_shadowed=True)
    around.guards = ((circuit, NestedPermit(shadowed, 0.0) if is_nested else shadowed),)
    assert enclosing_shadow(machine) is shadowed
    part_of(around).guards = ((circuit, call(machine)),)
    assert enclosing_shadow(machine) is None
    part_of(around).guards = ()
    around.is_over = True
    assert enclosing_shadow(machine) is None
    around.is_over = False
    shadowed.settled = True
    assert enclosing_shadow(machine) is None


@pytest.mark.parametrize("is_number", [False, True])
def test_calls_of_a_request_that_this_recovery_has_admitted_count_as_admitted(
    circuit: Circuit, machine: StateMachine, around: Request, is_number: bool
) -> None:
    inside.reset_here(circuit)
    around.guards = ((circuit, machine.sequence if is_number else call(machine)),)
    assert machine.sequence == machine.first
    assert is_inside_admitted(machine)
    around.is_over = True
    assert not is_inside_admitted(machine)
    around.is_over = False
    inside.reset_here(circuit)
    assert not is_inside_admitted(machine)


def test_the_request_is_the_innermost_that_is_not_over(around: Request) -> None:
    inner = part_of(around)
    assert context.current_request() is inner
    assert list(inner.chain()) == [inner, around]
    inner.is_over = True
    assert context.current_request() is around
    around.is_over = True
    assert context.current_request() is None
    assert context.recorded_request() is inner


def test_all_requests_around_hear_of_a_rejection(circuit: Circuit, around: Request) -> None:
    trip(circuit)
    assert (part_of(around).rejected, around.rejected) == (set(), set())
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(fine_sync)
    assert (part_of(around).rejected, around.rejected) == ({circuit.key}, {circuit.key})
