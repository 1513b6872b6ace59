"""What a circuit takes over from the fleet, and what it has to tell it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.states import Cause, CircuitState

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    admit,
    change,
    half_open,
    is_rejected,
    make,
    news,
    probe,
    run,
    trip,
)

if TYPE_CHECKING:
    from .machines import Machine


def shape(machine: Machine) -> tuple[CircuitState, int, str, bool]:
    return machine.state, machine.version, machine.writer, machine.unshared


def test_a_healthy_circuit_has_nothing_to_propose() -> None:
    machine = make()
    run(machine, SUCCESS)
    run(machine, FAILURE)
    assert machine.propose(0.0) is None


def test_each_change_of_its_own_is_proposed_until_confirmed() -> None:
    machine = make(failure_threshold=1, success_threshold=1)
    for now, outcome, state in (
        (0.0, FAILURE, OPEN),
        (OPEN_TIME, SUCCESS, CLOSED),
        (OPEN_TIME, FAILURE, OPEN),
    ):
        run(machine, outcome, now)
        proposal = machine.propose(now)
        assert proposal is not None
        assert (proposal.state, proposal.version) == (state, machine.version)
        machine.confirm(proposal, news(machine.version + 1, state), now)
        assert machine.propose(now) is None


def test_the_end_of_the_open_time_is_proposed() -> None:
    machine, _ = half_open()
    proposal = machine.propose(OPEN_TIME)
    assert proposal is not None
    assert (proposal.state, proposal.remaining) == (HALF_OPEN, 0.0)


def test_the_end_of_an_opening_that_the_fleet_knows_is_proposed_too() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    opening = machine.propose(0.0)
    assert opening is not None
    machine.confirm(opening, news(machine.version + 1, OPEN), 0.0)
    assert machine.propose(0.0) is None
    probe(machine, OPEN_TIME)
    proposal = machine.propose(OPEN_TIME)
    assert proposal is not None
    assert proposal.state is HALF_OPEN


def test_a_proposal_says_what_is_left_of_the_open_time() -> None:
    machine = make(failure_threshold=2)
    trip(machine, 0.0)
    proposal = machine.propose(20.0)
    assert proposal is not None
    assert (proposal.remaining, proposal.failures) == (OPEN_TIME - 20.0, 2)


def test_confirmed_keeps_what_changed_since_the_proposal_and_proposes_that() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    proposal = machine.propose(0.0)
    assert proposal is not None
    probe(machine, OPEN_TIME)
    assert machine.confirm(proposal, news(7, OPEN, remaining=OPEN_TIME), OPEN_TIME) is None
    assert shape(machine) == (HALF_OPEN, 7, "w", True)
    following = machine.propose(OPEN_TIME)
    assert following is not None
    assert (following.state, following.version, following.writer) == (HALF_OPEN, 7, "w")


def test_confirmed_after_newer_news_was_adopted_changes_nothing() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    proposal = machine.propose(0.0)
    assert proposal is not None
    machine.adopt(news(9, CLOSED), 0.0)
    assert machine.confirm(proposal, news(7, OPEN, remaining=OPEN_TIME), 0.0) is None
    assert shape(machine) == (CLOSED, 9, "w", False)


def test_confirmed_after_older_news_was_adopted_comes_back() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    proposal = machine.propose(0.0)
    assert proposal is not None
    machine.adopt(news(5, CLOSED), 0.0)
    assert machine.confirm(proposal, news(7, OPEN, remaining=OPEN_TIME), 0.0) == change(
        CLOSED, OPEN, Cause.FLEET, 3
    )
    assert shape(machine) == (OPEN, 7, "w", False)


def test_adopts_a_trip_with_the_time_that_is_left_of_it() -> None:
    machine = make()
    assert machine.adopt(news(3, OPEN, remaining=12.0, failures=4), 100.0) == change(
        CLOSED, OPEN, Cause.FLEET, 1
    )
    assert (machine.retry_after(100.0), machine.failures) == (12.0, 4)
    assert is_rejected(machine, 111.9)
    assert machine.propose(100.0) is None
    probe(machine, 112.0)


def test_adopts_a_recovery_under_way_with_places_of_its_own() -> None:
    machine = make(failure_threshold=1, success_threshold=1)
    machine.adopt(news(3, HALF_OPEN, failures=4), 0.0)
    assert (machine.state, machine.failures) == (HALF_OPEN, 4)
    machine.settle(probe(machine, 0.0), SUCCESS, 0.0)
    assert shape(machine) == (CLOSED, 3, "w", True)


def test_adopts_a_close_or_a_reset_of_others() -> None:
    machine = make(failure_threshold=1)
    machine.adopt(news(3, OPEN, remaining=OPEN_TIME), 0.0)
    assert machine.adopt(news(4, CLOSED), 0.0) == change(OPEN, CLOSED, Cause.FLEET, 2)
    assert (machine.failures, machine.counts_successes) == (0, False)
    admit(machine, 0.0)


def test_an_adopted_reset_drops_the_run_of_failures_and_running_calls() -> None:
    machine = make(failure_threshold=2)
    late = admit(machine)
    run(machine, FAILURE)
    assert machine.adopt(news(4, CLOSED), 0.0) is None
    machine.settle(late, FAILURE, 0.0)
    assert (machine.state, machine.failures) == (CLOSED, 0)


def test_a_longer_open_time_of_the_fleet_replaces_the_own_one_without_a_change() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    assert machine.adopt(news(3, OPEN, remaining=300.0), 10.0) is None
    assert machine.retry_after(10.0) == 300.0


def test_a_change_of_its_own_loses_against_the_first_writer() -> None:
    machine, running = half_open(success_threshold=1)
    machine.settle(running, SUCCESS, OPEN_TIME)
    assert machine.propose(OPEN_TIME) is not None
    machine.adopt(news(3, OPEN, remaining=20.0), OPEN_TIME)
    assert machine.propose(OPEN_TIME) is None
    assert machine.retry_after(OPEN_TIME) == 20.0


def test_probes_go_on_when_two_instances_end_the_open_time_at_once() -> None:
    machine, running = half_open(success_threshold=2, half_open_max_calls=1)
    assert machine.adopt(news(5, HALF_OPEN), OPEN_TIME) is None
    assert shape(machine) == (HALF_OPEN, 5, "w", False)
    assert is_rejected(machine, OPEN_TIME)
    machine.settle(running, SUCCESS, OPEN_TIME)
    assert machine.successes == 1


def test_a_probe_counts_no_more_once_the_fleet_has_opened_again() -> None:
    machine, running = half_open(success_threshold=1)
    machine.adopt(news(5, OPEN, remaining=OPEN_TIME), OPEN_TIME)
    assert machine.settle(running, SUCCESS, OPEN_TIME) is None
    assert machine.state is OPEN


@pytest.mark.parametrize("version", [0, 2, 3])
def test_news_that_is_not_newer_changes_nothing(version: int) -> None:
    machine = make(failure_threshold=1)
    machine.adopt(news(3, OPEN, remaining=OPEN_TIME), 0.0)
    generation = machine.generation
    assert machine.adopt(news(version, CLOSED), 0.0) is None
    assert shape(machine) == (OPEN, 3, "w", False)
    assert machine.generation == generation


def test_any_order_of_delivery_ends_in_the_same_state() -> None:
    told = [
        news(1, OPEN, remaining=OPEN_TIME),
        news(2, HALF_OPEN),
        news(3, CLOSED, writer="a"),
        news(3, OPEN, remaining=5.0, writer="b"),  # two writers after a lost write
        news(1, OPEN, remaining=OPEN_TIME),  # told twice
    ]
    ends = set()
    for order in permutations(told):
        machine = make()
        for one in order:
            machine.adopt(one, 0.0)
        ends.add((*shape(machine), machine.retry_after(0.0)))
    assert ends == {(OPEN, 3, "b", False, 5.0)}


def test_a_reset_is_told_by_itself_and_takes_the_pending_proposal_with_it() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    machine.reset(0.0)
    assert machine.propose(0.0) is None
    described = machine.describe(0.0)
    assert (described.state, described.remaining, described.failures) == (CLOSED, 0.0, 0)


def test_a_news_open_time_that_is_over_admits_a_probe_at_once() -> None:
    machine = make()
    machine.adopt(news(3, OPEN, remaining=0.0), 50.0)
    assert machine.state is OPEN
    probe(machine, 50.0)


def closed_alone_on_top_of_an_opening() -> Machine:
    """Return what has ended by itself an opening that runs on in the fleet."""
    machine = make(success_threshold=1)
    machine.adopt(news(5, OPEN, remaining=1.0), 0.0)
    run(machine, SUCCESS, 1.0)
    assert (machine.state, machine.unshared) == (CLOSED, True)
    return machine


def test_a_change_that_is_refused_is_void_though_it_built_on_the_state_that_stands() -> None:
    machine = closed_alone_on_top_of_an_opening()
    back = machine.adopt(news(5, OPEN, remaining=7.0), 1.0, refused=True)
    assert back == change(CLOSED, OPEN, Cause.FLEET, 4)
    assert shape(machine) == (OPEN, 5, "w", False)
    assert machine.retry_after(1.0) == 7.0


def test_the_same_state_heard_again_voids_nothing() -> None:
    machine = closed_alone_on_top_of_an_opening()
    assert machine.adopt(news(5, OPEN, remaining=7.0), 1.0) is None
    assert shape(machine) == (CLOSED, 5, "w", True)


@pytest.mark.parametrize(("version", "writer"), [(4, "w"), (5, "v")])
def test_a_refusal_with_what_was_known_before_voids_nothing(version: int, writer: str) -> None:
    machine = closed_alone_on_top_of_an_opening()
    told = news(version, OPEN, remaining=7.0, writer=writer)
    assert machine.adopt(told, 1.0, refused=True) is None
    assert shape(machine) == (CLOSED, 5, "w", True)


def test_a_refusal_that_comes_twice_changes_nothing_the_second_time() -> None:
    machine = closed_alone_on_top_of_an_opening()
    machine.adopt(news(5, OPEN, remaining=7.0), 1.0, refused=True)
    generation = machine.generation
    assert machine.adopt(news(5, OPEN, remaining=7.0), 1.0, refused=True) is None
    assert machine.generation == generation


def test_an_opening_after_a_failed_probe_is_one_change_where_no_other_was_heard_of() -> None:
    """A CLOSED circuit seemed to open, to probe and to open again."""
    machine = make()
    reopened = replace(
        news(7, OPEN, remaining=OPEN_TIME), evidence=Evidence(cause=Cause.PROBE_FAILED)
    )
    assert machine.adopt(reopened, 0.0) == change(CLOSED, OPEN, Cause.FLEET, 1)
