"""Openings of one instance by its scope, and what the fleet learns of their end."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.states import Cause
from fastapi_hybrid_breaker.core.windows import TimeWindow

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    change,
    news,
    probe,
    run,
    trip,
)
from .members import is_on_the_fast_path, lease, member, opened
from .votes import voted

RATE = FailureRate(0.5, window=TimeWindow(8.0, 8), minimum_calls=2)


def reset_by_another(version: int) -> News:
    evidence = Evidence(cause=Cause.RESET)
    return News(version, "w", CLOSED, 0, successes=0, remaining=0.0, evidence=evidence)


# -- scope ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [OPEN, HALF_OPEN])
def test_with_an_instances_scope_openings_of_others_change_nothing(state: Any) -> None:
    machine = member(scope="instance", failure_threshold=2)
    run(machine, FAILURE)
    generation = machine.generation
    assert machine.adopt(news(5, state, remaining=OPEN_TIME), 0.0) is None
    assert (machine.state, machine.generation, machine.failures) == (CLOSED, generation, 1)
    assert (machine.version, machine.writer) == (5, "w")


def test_with_an_instances_scope_others_do_not_close_what_is_open_here() -> None:
    machine = opened(scope="instance")
    assert machine.adopt(news(5, CLOSED), 0.0) is None
    assert (machine.state, machine.alone) == (OPEN, True)


def test_with_an_instances_scope_a_reset_is_for_all() -> None:
    machine = voted(opened(scope="instance"))
    closing = machine.adopt(reset_by_another(5), 1.0)
    assert closing == change(OPEN, CLOSED, Cause.FLEET, 2)
    assert closing.instance == "w"
    assert not machine.alone
    assert machine.vote() is False
    assert machine.recovered_at is None


def test_with_an_instances_scope_an_old_reset_changes_nothing() -> None:
    machine = member(scope="instance")
    machine.adopt(reset_by_another(5), 0.0)
    trip(machine)
    assert machine.adopt(reset_by_another(5), 1.0) is None
    assert machine.state is OPEN


def test_with_an_instances_scope_enough_votes_would_change_nothing_that_others_decide() -> None:
    machine = opened(scope="instance")
    machine.adopt(news(5, OPEN, remaining=1.0, writer="a"), 0.0)
    assert machine.retry_after(0.0) == OPEN_TIME
    assert machine.vote() is True


def test_a_close_that_the_fleet_has_not_seen_is_told_together_with_what_came_of_it() -> None:
    machine = member(quorum=2, success_threshold=1, failure_threshold=1)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.grant(machine.opening, lease(0.0), 0)
    run(machine, SUCCESS, 0.0)
    assert (machine.state, machine.unshared) == (CLOSED, True)
    trip(machine, 1.0)  # before anybody was told
    # Alone it would go on as if it equalled the fleet's HALF_OPEN, and never say another word.
    assert (machine.state, machine.alone) == (OPEN, False)
    proposal = machine.propose(1.0)
    assert proposal is not None
    assert (proposal.state, proposal.version) == (OPEN, 5)
    assert machine.vote() is None
    assert machine.is_bound()
    machine.grant(machine.opening, lease(1.0 + OPEN_TIME), 0)
    run(machine, SUCCESS, 1.0 + OPEN_TIME)
    proposal = machine.propose(1.0 + OPEN_TIME)
    assert proposal is not None
    assert (proposal.state, proposal.version) == (CLOSED, 5)


def test_once_the_fleet_has_seen_the_close_the_next_opening_is_its_own_again() -> None:
    machine = member(quorum=2, success_threshold=1, failure_threshold=1)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.grant(machine.opening, lease(0.0), 0)
    run(machine, SUCCESS, 0.0)
    proposal = machine.propose(0.0)
    assert proposal is not None
    machine.confirm(proposal, news(6, CLOSED), 0.0)
    trip(machine, 1.0)
    assert (machine.state, machine.alone, machine.unshared) == (OPEN, True, False)


# -- what its end tells the fleet ---------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"quorum": 2}, {"quorum": 0.5}], ids=["count", "share"])
def test_when_it_has_closed_again_it_owes_the_fleet_a_success(settings: dict[str, Any]) -> None:
    machine = opened(success_threshold=1, **settings)
    assert machine.take_report(OPEN_TIME, collecting=True) is None
    one = probe(machine, OPEN_TIME)
    assert machine.contribution is None
    machine.touched = False
    machine.settle(one, SUCCESS, OPEN_TIME + 1.0)
    assert (machine.state, machine.alone) == (CLOSED, False)
    assert machine.touched
    report = machine.take_report(OPEN_TIME + 2.0, collecting=False)
    assert report is not None
    assert (report.failures, report.success_at) == ((), OPEN_TIME + 1.0)
    assert report.generation == machine.generation
    assert machine.take_report(OPEN_TIME + 2.0, collecting=False) is None
    assert is_on_the_fast_path(machine)


def test_the_success_that_is_owed_is_told_before_failures_that_follow() -> None:
    machine = opened(quorum=2, success_threshold=1)
    run(machine, SUCCESS, OPEN_TIME)
    run(machine, FAILURE, OPEN_TIME + 1.0)
    report = machine.take_report(OPEN_TIME + 1.0, collecting=False)
    assert report is not None
    assert (report.failures, report.success_at) == ((OPEN_TIME + 1.0,), OPEN_TIME)


def test_a_probe_that_fails_owes_no_success() -> None:
    machine = opened(quorum=2)
    run(machine, FAILURE, OPEN_TIME)
    assert machine.contribution is None


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"scope": "instance"}, id="scope"),
        pytest.param({"quorum": 2, "trip": RATE}, id="no run"),
    ],
)
def test_who_tells_of_no_runs_owes_no_success(settings: dict[str, Any]) -> None:
    machine = member(success_threshold=1, **settings)
    while machine.state is CLOSED:
        run(machine, FAILURE)
    assert machine.alone
    run(machine, SUCCESS, OPEN_TIME)
    assert (machine.state, machine.alone) == (CLOSED, False)
    assert machine.contribution is None
    assert machine.take_report(OPEN_TIME, collecting=False) is None


def test_who_closes_for_all_tells_it_as_a_state_and_owes_nothing() -> None:
    machine = member(quorum=2, success_threshold=1)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.grant(machine.opening, lease(0.0), 0)
    run(machine, SUCCESS, 0.0)
    assert machine.unshared
    assert machine.contribution is None
