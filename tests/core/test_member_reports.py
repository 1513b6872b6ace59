"""What a CLOSED circuit tells its fleet of its calls, and what it makes of everybody's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.core.rules import ConsecutiveFailures, FailureRate, SlowCallRate
from fastapi_hybrid_breaker.core.shared_run import ANNOUNCED_AGAIN, LONGEST_RUN
from fastapi_hybrid_breaker.core.states import Cause
from fastapi_hybrid_breaker.core.windows import CountWindow, TimeWindow

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    admit,
    change,
    is_rejected,
    make,
    news,
    probe,
    run,
    trip,
)
from .members import fleet, is_on_the_fast_path, member, opened

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.shared_run import Report

    from .machines import Machine

WINDOW = TimeWindow(8.0, 8)
RATE = FailureRate(0.5, window=WINDOW, minimum_calls=10)


def report(machine: Machine, now: float = 0.0, *, collecting: bool = False) -> Report | None:
    return machine.take_report(now, collecting=collecting)


def reported(machine: Machine, now: float = 0.0, *, collecting: bool = False) -> Report:
    told = report(machine, now, collecting=collecting)
    assert told is not None
    return told


def hears_of_a_run(machine: Machine, now: float, until: float) -> None:
    machine.listen(now, until)


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


# -- what the fleet's sums do -----------------------------------------------------------------


def sums(machine: Machine, *kinds: int) -> dict[str, tuple[int, ...]]:
    return {machine.meter.books[0].name: kinds}


def test_opens_by_the_rate_of_the_whole_fleet_and_says_so() -> None:
    machine = member(trip=RATE)
    run(machine, SUCCESS)
    opening = machine.judge_fleet(machine.generation, sums(machine, 6, 6, 0, 0, 0), 3.0)
    assert opening == change(CLOSED, OPEN, Cause.FAILURES, 1)
    assert machine.unshared
    assert machine.retry_after(3.0) == OPEN_TIME
    evidence = opening.evidence
    assert evidence.rule == f"{RATE}, in the whole fleet"
    assert (evidence.window, evidence.calls, evidence.failed) == ("last 8 s", 12, 6)
    assert evidence.cause == "failures"


def test_opens_by_slow_calls_of_the_whole_fleet() -> None:
    rule = SlowCallRate(0.5, slower_than=1.0, window=WINDOW, minimum_calls=4)
    machine = member(trip=rule)
    opening = machine.judge_fleet(machine.generation, sums(machine, 2, 0, 1, 0, 1), 0.0)
    assert opening == change(CLOSED, OPEN, Cause.SLOW_CALLS, 1)
    assert (opening.evidence.calls, opening.evidence.slow) == (4, 2)


def test_the_fleets_calls_open_nothing_that_they_do_not_fulfil() -> None:
    machine = member(trip=RATE)
    assert machine.judge_fleet(0, sums(machine, 7, 6, 0, 0, 0), 0.0) is None
    assert machine.judge_fleet(0, sums(machine, 0, 9, 0, 0, 0), 0.0) is None
    assert machine.state is CLOSED


def test_opens_by_a_run_of_the_whole_fleet_and_says_so() -> None:
    machine = member(failure_threshold=3)
    machine.settle(admit(machine), FAILURE, 0.0, error=ValueError("lost"))
    opening = machine.trip_by_run(machine.generation, 4, 1.0)
    assert opening == change(CLOSED, OPEN, Cause.FAILURES, 1)
    assert machine.unshared
    assert machine.failures == 4
    assert machine.retry_after(1.0) == OPEN_TIME
    evidence = opening.evidence
    assert evidence.rule == "3 failures in a row, in the whole fleet"
    assert (evidence.failures, evidence.error) == (4, "ValueError: lost")
    assert (evidence.cause, evidence.window) == ("failures", "")


def test_opens_by_a_run_though_its_own_part_of_it_is_forgotten() -> None:
    machine = member(failure_threshold=3)
    opening = machine.trip_by_run(machine.generation, 3, 1.0)
    assert opening is not None
    assert opening.evidence.error == ""


def by_run(machine: Machine, generation: int) -> object:
    return machine.trip_by_run(generation, 99, 100.0)


def by_rate(machine: Machine, generation: int) -> object:
    return machine.judge_fleet(generation, sums(machine, 0, 99, 0, 0, 0), 100.0)


@pytest.mark.parametrize("tripped", [by_run, by_rate])
def test_the_fleets_sums_count_only_in_the_generation_that_told_them(tripped: Any) -> None:
    machine = member(trip=[RATE, ConsecutiveFailures(50)])
    generation = machine.generation
    machine.reset(0.0)
    assert tripped(machine, generation) is None
    assert machine.state is CLOSED
    assert tripped(machine, machine.generation) is not None


@pytest.mark.parametrize("tripped", [by_run, by_rate])
def test_the_fleets_sums_change_nothing_unless_closed(tripped: Any) -> None:
    machine = member(fleet(live=1), trip=[RATE, ConsecutiveFailures(5)])
    trip(machine)
    deadline = machine.deadline
    assert tripped(machine, machine.generation) is None
    assert (machine.state, machine.deadline) == (OPEN, deadline)
    probe(machine, OPEN_TIME)
    assert tripped(machine, machine.generation) is None
    assert machine.state is HALF_OPEN


def test_with_a_quorum_the_fleets_rate_opens_only_where_the_trouble_is_seen() -> None:
    machine = member(trip=RATE, quorum=2)
    run(machine, SUCCESS)
    assert machine.judge_fleet(0, sums(machine, 0, 99, 0, 0, 0), 0.0) is None
    run(machine, FAILURE)
    assert machine.judge_fleet(0, sums(machine, 0, 99, 0, 0, 0), 0.0) is not None
    assert machine.alone


def test_with_a_quorum_trouble_that_is_over_here_opens_nothing() -> None:
    machine = member(trip=RATE, quorum=2)
    run(machine, FAILURE)
    assert machine.judge_fleet(0, sums(machine, 0, 99, 0, 0, 0), 8.0) is None


# -- what it costs ----------------------------------------------------------------------------


def test_a_healthy_circuit_pays_nothing() -> None:
    machine = member()
    assert is_on_the_fast_path(machine)
    run(machine, SUCCESS)
    assert is_on_the_fast_path(machine)


def test_a_failure_that_was_not_told_costs_until_the_next_success() -> None:
    machine = member()
    run(machine, FAILURE)
    assert machine.counts_successes
    assert not machine.noting
    run(machine, SUCCESS)
    assert is_on_the_fast_path(machine)


def test_successes_matter_once_failures_were_told_until_the_run_has_ended() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    reported(machine)
    assert machine.noting
    run(machine, SUCCESS, 1.0)
    assert machine.counts_successes
    assert machine.noting
    reported(machine, 1.0)
    assert is_on_the_fast_path(machine)


def test_while_others_fail_successes_are_noted_and_nobody_is_stirred() -> None:
    machine = member()
    hears_of_a_run(machine, 0.0, 100.0)
    assert machine.counts_successes
    assert machine.noting
    run(machine, SUCCESS, 7.0)
    assert machine.contribution is not None
    assert machine.contribution.success_at == 7.0
    assert not machine.touched
    assert report(machine, 7.0) is None
    assert not machine.noting  # one is enough, until more failures are announced
    hears_of_a_run(machine, 8.0, 100.0)
    run(machine, SUCCESS, 8.1)
    assert machine.noting  # some that come at once are not announced again
    run(machine, SUCCESS, 8.0 + ANNOUNCED_AGAIN)
    assert is_on_the_fast_path(machine)
    assert machine.contribution.success_at == 8.0 + ANNOUNCED_AGAIN
    assert not machine.touched


def test_notes_no_longer_than_it_was_told_to() -> None:
    machine = member()
    hears_of_a_run(machine, 99.5, 100.0)
    run(machine, SUCCESS, 99.9)
    assert machine.noting
    run(machine, SUCCESS, 100.0)
    assert is_on_the_fast_path(machine)


def end_run(machine: Machine, now: float, seconds: float) -> None:
    machine.run_ended(now, now + seconds)


def test_the_fast_path_is_back_after_the_run_has_ended() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    reported(machine)
    hears_of_a_run(machine, 1.0, 3600.0)
    run(machine, SUCCESS, 1.1)
    reported(machine, 1.1)
    end_run(machine, 1.2, 0.8)
    assert machine.noting  # the next run may have begun
    run(machine, SUCCESS, 1.5)
    assert machine.noting
    run(machine, SUCCESS, 2.0)
    assert is_on_the_fast_path(machine)


def test_the_fast_path_is_back_at_once_where_nobody_listens_on() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    reported(machine)
    run(machine, SUCCESS)
    end_run(machine, 1.0, 0.0)
    assert is_on_the_fast_path(machine)
    assert report(machine, 1.0) is None


def test_the_end_of_the_fleets_run_does_not_end_a_run_here() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    reported(machine)
    end_run(machine, 1.0, 0.0)
    assert machine.failures == 1
    assert machine.counts_successes


@pytest.mark.parametrize("state", [OPEN, CLOSED])
def test_a_new_state_forgets_the_run_and_listens_no_more(state: Any) -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    reported(machine)
    hears_of_a_run(machine, 0.0, 3600.0)
    machine.adopt(news(5, state, remaining=1.0), 0.0)
    assert machine.contribution is None
    assert not machine.noting
    if state is CLOSED:
        assert is_on_the_fast_path(machine)


def test_who_is_not_closed_does_not_listen() -> None:
    machine = opened()
    hears_of_a_run(machine, 0.0, 3600.0)
    assert machine.contribution is None
    assert not machine.noting


def test_a_circuit_of_no_fleet_pays_for_its_own_failures_alone() -> None:
    machine = make()
    run(machine, FAILURE)
    run(machine, SUCCESS)
    assert is_on_the_fast_path(machine)
    assert machine.contribution is None


def test_reporting_changes_neither_the_state_nor_the_own_run() -> None:
    machine = member(failure_threshold=3)
    for now in (1.0, 2.0):
        run(machine, FAILURE, now)
        reported(machine, now)
    assert machine.failures == 2
    assert run(machine, FAILURE, 3.0) is not None  # the own run opens at once
    assert is_rejected(machine, 3.0)
