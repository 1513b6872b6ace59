"""What a process has to tell its fleet of a run of failures."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.shared_run import ANNOUNCED_AGAIN, LONGEST_RUN, SharedRun

NOTHING = ((), None)


def told(*failures: float) -> SharedRun:
    """Return a contribution whose failures so far were told."""
    contribution = SharedRun()
    for at in failures:
        contribution.failed(at, "")
    contribution.take()
    return contribution


def test_a_new_one_has_nothing_to_tell() -> None:
    contribution = SharedRun()
    assert contribution.take() == NOTHING
    assert not contribution.has_told
    assert not contribution.is_listening(0.0)


def test_each_failure_is_told_once() -> None:
    contribution = SharedRun()
    contribution.failed(1.0, "first")
    contribution.failed(2.0, "second")
    assert contribution.take() == ((1.0, 2.0), None)
    assert contribution.take() == NOTHING
    contribution.failed(3.0, "third")
    assert contribution.take() == ((3.0,), None)


def test_keeps_what_the_last_failure_was() -> None:
    contribution = SharedRun()
    contribution.failed(1.0, "first")
    contribution.failed(2.0, "second")
    contribution.succeeded(3.0)
    assert contribution.error == "second"


def test_a_success_takes_what_was_not_told() -> None:
    contribution = SharedRun()
    contribution.failed(1.0, "")
    contribution.succeeded(2.0)
    assert contribution.untold == []
    assert contribution.take() == NOTHING


def test_a_success_is_owed_only_if_something_was_told() -> None:
    fresh = SharedRun()
    fresh.failed(1.0, "")
    fresh.succeeded(2.0)
    assert not fresh.owes_success
    contribution = told(1.0)
    contribution.succeeded(2.0)
    assert contribution.owes_success


def test_an_owed_success_is_told_once_and_the_latest_of_several() -> None:
    contribution = told(1.0)
    contribution.succeeded(2.0)
    contribution.succeeded(3.0)
    assert contribution.take() == ((), 3.0)
    assert contribution.take() == NOTHING


def test_a_success_that_is_told_takes_all_that_was_told_before() -> None:
    contribution = told(1.0)
    contribution.succeeded(2.0)
    contribution.take()
    assert not contribution.has_told
    contribution.succeeded(3.0)
    assert contribution.take() == NOTHING


def test_failures_after_an_owed_success_are_told_with_it() -> None:
    contribution = told(1.0)
    contribution.succeeded(2.0)
    contribution.failed(3.0, "")
    assert contribution.take() == ((3.0,), 2.0)
    assert contribution.has_told


def test_failures_are_told_with_the_last_success_before_them_though_it_was_not_owed() -> None:
    contribution = SharedRun()
    contribution.succeeded(1.0)  # noted for the sake of others' failures
    contribution.failed(2.0, "")
    assert contribution.take() == ((2.0,), 1.0)


def test_a_success_noted_before_failures_that_were_told_is_not_told_again() -> None:
    contribution = SharedRun()
    contribution.succeeded(1.0)
    contribution.failed(2.0, "")
    contribution.take()
    assert contribution.take() == NOTHING
    assert contribution.has_told  # nor does it take them


def test_something_told_stays_told_while_nothing_ends_it() -> None:
    contribution = told(1.0)
    contribution.take()
    contribution.failed(2.0, "")
    contribution.take()
    assert contribution.has_told


def test_of_a_very_long_run_the_newest_failures_are_told() -> None:
    contribution = SharedRun()
    for at in range(LONGEST_RUN + 3):
        contribution.failed(float(at), "")
    failures, _ = contribution.take()
    assert len(failures) == LONGEST_RUN
    assert (failures[0], failures[-1]) == (3.0, LONGEST_RUN + 2.0)


def test_listens_until_the_time_that_was_said_and_no_longer() -> None:
    contribution = SharedRun()
    contribution.listen(0.0, 5.0)
    assert contribution.is_listening(4.9)
    assert not contribution.is_listening(5.0)


@pytest.mark.parametrize("untils", [(5.0, 3.0), (3.0, 5.0)])
def test_of_several_times_the_latest_holds(untils: tuple[float, float]) -> None:
    contribution = SharedRun()
    for until in untils:
        contribution.listen(0.0, until)
    assert contribution.is_listening(4.9)
    assert not contribution.is_listening(5.0)


def test_one_success_is_enough_once_failures_would_have_been_announced_again() -> None:
    contribution = SharedRun()
    contribution.listen(10.0, 100.0)
    contribution.succeeded(10.5)
    again = 10.0 + ANNOUNCED_AGAIN
    assert contribution.is_listening(again - 0.01)
    assert not contribution.is_listening(again)


def test_while_no_success_is_noted_it_listens_on() -> None:
    contribution = SharedRun()
    contribution.listen(10.0, 100.0)
    assert contribution.is_listening(99.9)
    contribution.succeeded(99.9)
    assert not contribution.is_listening(99.9)


@pytest.mark.parametrize("at", [9.0, 10.0])
def test_a_success_that_is_no_later_than_the_announcement_is_not_enough(at: float) -> None:
    contribution = SharedRun()
    contribution.succeeded(at)
    contribution.listen(10.0, 100.0)
    assert contribution.is_listening(99.9)


def test_when_the_run_is_announced_again_another_success_is_needed() -> None:
    contribution = SharedRun()
    contribution.listen(10.0, 100.0)
    contribution.succeeded(10.5)
    contribution.listen(20.0, 50.0)
    assert contribution.is_listening(99.9)
    contribution.succeeded(20.5)
    assert not contribution.is_listening(20.0 + ANNOUNCED_AGAIN)


def test_stops_listening_no_later_than_it_would_have_anyway() -> None:
    contribution = SharedRun()
    contribution.listen(0.0, 5.0)
    contribution.stop_listening(9.0)
    assert not contribution.is_listening(5.0)
    contribution.listen(0.0, 9.0)
    contribution.stop_listening(6.0)
    assert contribution.is_listening(5.9)
    assert not contribution.is_listening(6.0)


def test_the_end_of_a_run_elsewhere_makes_nobody_listen() -> None:
    contribution = SharedRun()
    contribution.stop_listening(9.0)
    assert not contribution.is_listening(0.0)


def test_listens_for_as_long_as_the_fleet_holds_failures_of_ours() -> None:
    contribution = told(1.0)
    assert contribution.is_listening(1e9)
    contribution.stop_listening(2.0)
    assert contribution.is_listening(1e9)
    contribution.listen(2.0, 3.0)
    contribution.succeeded(2.5)  # it is owed, and has not been told yet
    assert contribution.is_listening(1e9)


def test_once_the_run_has_ended_it_owes_nothing_and_listens_no_more() -> None:
    contribution = told(1.0)
    contribution.succeeded(2.0)
    contribution.ended()
    assert (contribution.has_told, contribution.owes_success) == (False, False)
    assert not contribution.is_listening(2.0)
    assert contribution.take() == NOTHING


def test_the_end_of_a_run_keeps_what_was_not_told_yet() -> None:
    contribution = told(1.0)
    contribution.failed(2.0, "")
    contribution.ended()
    assert contribution.take() == ((2.0,), None)
