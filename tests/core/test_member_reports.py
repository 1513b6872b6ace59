"""What a CLOSED circuit tells its fleet of its calls, and what it makes of everybody's."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.core.rules import ConsecutiveFailures, FailureRate
from fastapi_hybrid_breaker.core.shared_run import LONGEST_RUN
from fastapi_hybrid_breaker.core.windows import CountWindow, TimeWindow

from .machines import (
    CLOSED,
    FAILURE,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    news,
    probe,
    run,
    trip,
)
from .members import fleet, member
from .reports import end_run, hears_of_a_run, report, reported

WINDOW = TimeWindow(8.0, 8)
RATE = FailureRate(0.5, window=WINDOW, minimum_calls=10)


# -- when there is something to tell ----------------------------------------------------------


def test_a_circuit_without_failures_has_nothing_to_tell() -> None:
    machine = member()
    assert report(machine) is None
    run(machine, SUCCESS)
    run(machine, NOT_COUNTED)
    assert report(machine) is None
    assert machine.contribution is None
    assert not machine.touched


def test_tells_of_failures_when_they_were_and_under_which_state() -> None:
    machine = member(failure_threshold=3)
    machine.adopt(news(7, CLOSED, writer="a"), 0.0)
    run(machine, FAILURE, 1.0)
    run(machine, FAILURE, 2.0)
    assert machine.touched
    told = reported(machine, 3.0)
    assert told.failures == (1.0, 2.0)
    assert (told.version, told.writer, told.generation) == (7, "a", machine.generation)
    assert (told.threshold, told.success_at, told.over_threshold) == (3, None, False)
    assert told.tallies == ()


def test_failures_are_told_once() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    assert reported(machine).failures == (0.0,)
    assert reported(machine).failures == ()
    run(machine, FAILURE, 1.0)
    assert reported(machine, 1.0).failures == (1.0,)


def test_a_failure_followed_by_a_success_is_nobodys_business() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    run(machine, SUCCESS)
    assert report(machine) is None


def test_who_told_of_failures_tells_of_the_success_that_ends_them() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    reported(machine)
    machine.touched = False
    run(machine, SUCCESS, 2.0)
    assert machine.touched
    told = reported(machine, 3.0)
    assert (told.failures, told.success_at) == ((), 2.0)


def test_who_is_asked_has_a_report_only_while_the_fleet_counts_failures_of_ours() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    run(machine, SUCCESS)
    assert report(machine) is None
    run(machine, FAILURE, 1.0)
    reported(machine, 1.0)
    told = reported(machine, 2.0)
    assert (told.failures, told.success_at, told.tallies) == ((), None, ())
    run(machine, SUCCESS, 3.0)
    assert reported(machine, 3.0).success_at == 3.0
    assert report(machine, 4.0) is None  # the success took them all
    run(machine, FAILURE, 5.0)
    reported(machine, 5.0)
    end_run(machine, 6.0, 0.0)
    assert report(machine, 6.0) is None


@pytest.mark.parametrize(
    ("around", "settings"),
    [
        pytest.param(Peers(), {}, id="no fleet"),
        pytest.param(None, {"mode": "shadow"}, id="shadow"),
        pytest.param(None, {"scope": "instance"}, id="scope"),
    ],
)
def test_calls_that_count_for_nobody_else_are_neither_kept_nor_told(
    around: Peers | None, settings: dict[str, Any]
) -> None:
    machine = member(around, trip=[ConsecutiveFailures(50), RATE], **settings)
    for _ in range(5):
        run(machine, FAILURE)
    hears_of_a_run(machine, 0.0, 100.0)
    assert report(machine, collecting=True) is None
    assert machine.contribution is None
    assert not machine.noting
    assert not machine.touched


def test_who_is_cut_off_keeps_failures_for_when_it_is_back() -> None:
    machine = member(fleet(is_connected=False), failure_threshold=9)
    run(machine, FAILURE, 1.0)
    assert reported(machine, 2.0).failures == (1.0,)


def test_nothing_is_told_while_open_or_half_open() -> None:
    machine = member(fleet(live=1), trip=[ConsecutiveFailures(2), RATE])
    trip(machine)
    assert report(machine, collecting=True) is None
    probe(machine, OPEN_TIME)
    assert report(machine, OPEN_TIME, collecting=True) is None


def test_nothing_is_told_on_top_of_a_state_that_the_fleet_has_not_seen() -> None:
    machine = member(fleet(live=1), failure_threshold=9, success_threshold=1)
    trip(machine)
    run(machine, SUCCESS, OPEN_TIME)
    run(machine, FAILURE, OPEN_TIME)
    assert machine.unshared
    assert report(machine, OPEN_TIME) is None
    proposal = machine.propose(OPEN_TIME)
    assert proposal is not None
    machine.confirm(proposal, news(4, CLOSED), OPEN_TIME)
    told = reported(machine, OPEN_TIME)  # it was counted in the state that is now everybody's
    assert (told.version, told.failures) == (4, (OPEN_TIME,))


def test_what_was_counted_under_another_state_is_not_told() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    machine.adopt(news(5, OPEN, remaining=1.0), 0.0)
    machine.adopt(news(6, CLOSED), 1.0)
    assert report(machine, 1.0) is None


def test_rules_that_count_no_run_tell_of_no_failures() -> None:
    machine = member(trip=RATE)
    run(machine, FAILURE)
    assert machine.contribution is None
    assert reported(machine).threshold == 0
    assert report(machine) is not None  # troubled, so that the sum is asked for again


def test_a_run_that_two_rules_ask_for_is_told_with_the_shorter_one() -> None:
    machine = member(trip=[ConsecutiveFailures(5), ConsecutiveFailures(3)])
    run(machine, FAILURE)
    assert reported(machine).threshold == 3


@pytest.mark.parametrize(("threshold", "is_told"), [(LONGEST_RUN, True), (LONGEST_RUN + 1, False)])
def test_runs_that_are_too_long_to_be_told_count_here_alone(threshold: int, is_told: bool) -> None:
    machine = member(failure_threshold=threshold)
    run(machine, FAILURE)
    assert machine.touched is is_told
    assert (report(machine) is not None) is is_told
    assert (machine.contribution is not None) is is_told
    assert machine.failures == 1


# -- calls in windows -------------------------------------------------------------------------


def test_calls_are_told_while_the_fleet_adds_them_up_good_or_bad() -> None:
    machine = member(trip=RATE)
    run(machine, SUCCESS)
    assert report(machine) is None
    told = reported(machine, collecting=True)
    assert [tally.kinds for tally in told.tallies] == [(1, 0, 0, 0, 0)]
    assert not told.over_threshold
    assert report(machine, collecting=True) is None  # nothing new


def test_who_is_troubled_tells_its_calls_without_being_asked() -> None:
    machine = member(trip=RATE)
    run(machine, SUCCESS)
    assert not machine.touched
    run(machine, FAILURE)
    assert machine.touched
    told = reported(machine)
    assert told.over_threshold
    assert [tally.kinds for tally in told.tallies] == [(1, 1, 0, 0, 0)]
    again = reported(machine)
    assert [tally.kinds for tally in again.tallies] == [(0, 0, 0, 0, 0)]


def test_trouble_that_has_left_the_window_is_not_told() -> None:
    machine = member(trip=RATE)
    run(machine, FAILURE)
    assert report(machine, 8.0) is None
    machine.touched = False
    run(machine, SUCCESS, 8.0)
    assert not machine.touched


def test_the_last_n_calls_are_never_told() -> None:
    machine = member(trip=FailureRate(0.5, window=CountWindow(20), minimum_calls=10))
    run(machine, FAILURE)
    assert report(machine, collecting=True) is None
    assert not machine.touched


def test_trouble_in_the_last_n_calls_does_not_have_a_window_told() -> None:
    last_calls = FailureRate(0.5, window=CountWindow(20), minimum_calls=10)
    rare = FailureRate(0.9, window=WINDOW, minimum_calls=10)
    machine = member(trip=[last_calls, rare])
    run(machine, SUCCESS)
    run(machine, FAILURE)
    assert not machine.touched
    assert report(machine) is None
    told = reported(machine, collecting=True)
    assert [tally.kinds for tally in told.tallies] == [(1, 1, 0, 0, 0)]
    assert not told.over_threshold
