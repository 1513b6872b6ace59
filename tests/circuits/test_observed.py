"""What a circuit reports of its calls: to who observes it, and to the request they are part of."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.circuits import context
from fastapi_hybrid_breaker.circuits.settling import settle_result
from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside

from .parts import CONFIG, BrokenError, broken_sync, fine_sync, trip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.testing import ManualClock

FAILURE, SUCCESS, NOT_COUNTED = Outcome.FAILURE, Outcome.SUCCESS, Outcome.NOT_COUNTED


class Observer:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def settled(self, circuit: Circuit, outcome: Outcome, seconds: float | None) -> None:
        self.seen.append((outcome, seconds))

    def rejected(self, circuit: Circuit, retry_after: float) -> None:
        self.seen.append(("rejected", retry_after))

    def shadowed(self, circuit: Circuit) -> None:
        self.seen.append("shadowed")

    def shadow_failed(self, circuit: Circuit) -> None:
        self.seen.append("shadow failed")


def observed(circuit: Circuit) -> list[Any]:
    observer = Observer()
    inside.observe(circuit, observer, measured=True)
    return observer.seen


# -- observers --------------------------------------------------------------------------------


def test_each_call_and_each_rejection_is_observed(circuit: Circuit, clock: ManualClock) -> None:
    seen = observed(circuit)
    circuit.call_sync(lambda: clock.advance(0.25))
    trip(circuit)
    clock.advance(1.0)
    with pytest.raises(CircuitOpenError):
        circuit.call_sync(fine_sync)
    assert seen == [(SUCCESS, 0.25), (FAILURE, 0.0), (FAILURE, 0.0), ("rejected", 9.0)]


@pytest.fixture
def trying(clock: ManualClock) -> Circuit:
    """An open circuit in shadow mode."""
    config = replace(CONFIG, mode="shadow")
    circuit = HybridBreaker(redis=None, defaults=config, clock=clock).circuit("upstream")
    trip(circuit)
    return circuit


def test_what_shadow_mode_let_through_is_observed_as_such(trying: Circuit) -> None:
    seen = observed(trying)
    trying.call_sync(fine_sync)
    with pytest.raises(BrokenError):
        trying.call_sync(broken_sync)
    assert seen == ["shadowed", (SUCCESS, 0.0), "shadowed", (FAILURE, 0.0), "shadow failed"]


def test_a_failure_inside_of_what_shadow_mode_let_through_is_observed_as_one(
    trying: Circuit,
) -> None:
    """As in the figures of the circuit; the call around it is observed as not counted."""
    seen = observed(trying)
    with pytest.raises(BrokenError):
        trying.call_sync(lambda: trying.call_sync(broken_sync))
    assert seen.count("shadow failed") == trying.stats().shadowed_failures == 1
    assert seen.count("shadowed") == trying.stats().shadowed == 1


def test_a_failure_that_comes_after_the_outcome_is_no_other_one(trying: Circuit) -> None:
    seen = observed(trying)
    permit = inside.admit(trying)
    for outcome in (SUCCESS, FAILURE, FAILURE):
        inside.settle(trying, permit, outcome)
    assert seen.count("shadow failed") == trying.stats().shadowed_failures == 0


def test_an_ordinary_failure_is_not_one_that_shadow_mode_let_through(circuit: Circuit) -> None:
    seen = observed(circuit)
    with pytest.raises(BrokenError):
        circuit.call_sync(broken_sync)
    assert seen == [(FAILURE, 0.0)]


# -- requests ---------------------------------------------------------------------------------


@pytest.fixture
def request_of(circuit: Circuit) -> Iterator[context.Request]:
    """A request inside of another one; the circuit has guarded a route before."""
    inside.mark_guarded_by_route(circuit)
    request = context.Request(outer=context.Request())
    token = context.enter_request(request)
    yield request
    context.leave_request(token)


def heard(circuit: Circuit, request: context.Request) -> bool:
    machine = inside.core_of(circuit).machine
    assert request.outer is not None
    assert (machine in request.counted) is (machine in request.outer.counted)
    return machine in request.counted


@pytest.mark.parametrize(
    ("fn", "is_heard"),
    [
        pytest.param(fine_sync, True, id="success"),
        pytest.param(broken_sync, True, id="failure"),
        pytest.param(lambda: next(iter(())), False, id="not counted"),
    ],
)
@pytest.mark.parametrize("after", ["nothing", "a failure"])
def test_a_request_hears_of_the_outcomes_inside_of_it(
    circuit: Circuit,
    request_of: context.Request,
    fn: Callable[[], object],
    is_heard: bool,
    after: str,
) -> None:
    if after == "a failure":
        token = context.enter_request(None)
        with suppress(BrokenError):
            circuit.call_sync(broken_sync)
        context.leave_request(token)
    with suppress(BrokenError, StopIteration):
        circuit.call_sync(fn)
    assert heard(circuit, request_of) is is_heard


def test_a_request_hears_of_a_result_that_changes_nothing_for_the_circuit(
    circuit: Circuit, request_of: context.Request
) -> None:
    settle_result(circuit, inside.admit(circuit), 1)
    assert heard(circuit, request_of)


def test_a_request_hears_nothing_of_a_circuit_that_guards_no_route(
    breaker: HybridBreaker, request_of: context.Request
) -> None:
    other = breaker.circuit("other")
    other.call_sync(fine_sync)
    assert not heard(other, request_of)


def test_outside_of_requests_nobody_hears_of_outcomes(circuit: Circuit) -> None:
    inside.mark_guarded_by_route(circuit)
    assert context.recorded_request() is None
    assert circuit.call_sync(fine_sync) == 1
