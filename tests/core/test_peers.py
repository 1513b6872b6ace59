"""How a process that is cut off from its fleet scales what its rules ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.windows import CountWindow, TimeWindow

from .machines import CLOSED, FAILURE, OPEN, make, run, trip
from .members import fleet, member


def test_a_process_of_its_own_has_no_fleet() -> None:
    around = Peers()
    assert (around.has_fleet, around.is_connected, around.live) == (False, False, 1)
    assert around.minimum(20) == 20


def test_nothing_is_scaled_while_connected() -> None:
    assert fleet(live=10).minimum(20) == 20


@pytest.mark.parametrize(
    ("calls", "live", "needed"),
    [
        (20, 1, 20),
        (20, 2, 10),
        (20, 3, 7),  # rounded up
        (20, 4, 5),
        (20, 1000, 5),  # below that a rate says nothing
        (4, 2, 4),  # nor is it made more than the rule asks for
        (1, 10, 1),
        (1000, 10, 100),
    ],
)
def test_cut_off_it_is_divided_by_the_instances_that_lived(
    calls: int, live: int, needed: int
) -> None:
    assert fleet(live, is_connected=False).minimum(calls) == needed


@given(st.integers(1, 10**6), st.integers(1, 10**4))
def test_cut_off_it_is_never_more_and_never_none(calls: int, live: int) -> None:
    assert 1 <= fleet(live, is_connected=False).minimum(calls) <= calls


@pytest.mark.parametrize("window", [TimeWindow(10.0), CountWindow(50)])
def test_a_circuit_opens_by_fewer_calls_when_cut_off_and_not_before(
    window: TimeWindow | CountWindow,
) -> None:
    around = fleet(live=2)
    machine = member(around, trip=FailureRate(0.5, window=window, minimum_calls=20))
    for _ in range(15):
        run(machine, FAILURE)
    assert machine.state is CLOSED
    around.is_connected = False
    run(machine, FAILURE)
    assert machine.state is OPEN


def test_connected_again_it_needs_as_many_calls_as_the_rule_says() -> None:
    around = fleet(live=2, is_connected=False)
    machine = member(around, trip=FailureRate(0.5, window=TimeWindow(10.0), minimum_calls=20))
    around.is_connected = True
    for _ in range(19):
        run(machine, FAILURE)
    assert machine.state is CLOSED
    run(machine, FAILURE)
    assert machine.state is OPEN


def test_runs_of_failures_are_not_scaled() -> None:
    machine = member(fleet(live=4, is_connected=False), failure_threshold=8)
    for _ in range(7):
        run(machine, FAILURE)
    assert machine.state is CLOSED
    run(machine, FAILURE)
    assert machine.state is OPEN


def test_circuits_of_no_fleet_take_no_notice() -> None:
    machine = make(trip=FailureRate(0.5, window=TimeWindow(10.0), minimum_calls=20))
    for _ in range(19):
        run(machine, FAILURE)
    assert machine.state is CLOSED


def test_one_for_all_circuits_is_looked_at_when_it_matters() -> None:
    around = fleet()
    ones = [member(around, failure_threshold=1) for _ in range(2)]
    for machine in ones:
        trip(machine)
        assert machine.is_bound()
    around.is_connected = False
    assert not any(machine.is_bound() for machine in ones)
