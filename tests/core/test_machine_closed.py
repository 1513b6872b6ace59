"""CLOSED: all are admitted, failures in a row are counted."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.states import Cause, CircuitState

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
    half_open,
    is_rejected,
    make,
    run,
    trip,
)


def test_a_new_circuit_is_closed_and_admits_without_a_change() -> None:
    machine = make()
    assert machine.admit(0.0) == (0, None)
    assert machine.state is CLOSED
    assert machine.retry_after(0.0) == 0.0


def test_opens_at_the_threshold_and_not_before() -> None:
    machine = make(failure_threshold=3)
    assert run(machine, FAILURE) is None
    assert run(machine, FAILURE) is None
    assert machine.state is CLOSED
    assert run(machine, FAILURE) == change(CLOSED, OPEN, Cause.FAILURES, 1)
    assert (machine.state, machine.failures) == (OPEN, 3)


def test_a_threshold_of_one_opens_at_the_first_failure() -> None:
    machine = make(failure_threshold=1)
    run(machine, FAILURE)
    assert machine.state is OPEN


def test_a_success_ends_the_run_of_failures() -> None:
    machine = make(failure_threshold=2)
    for _ in range(5):
        run(machine, FAILURE)
        run(machine, SUCCESS)
    assert (machine.state, machine.failures) == (CLOSED, 0)


def test_no_verdict_neither_adds_to_the_run_nor_ends_it() -> None:
    machine = make(failure_threshold=2)
    run(machine, FAILURE)
    assert run(machine, NOT_COUNTED) is None
    assert machine.failures == 1
    run(machine, FAILURE)
    assert machine.state is OPEN


def test_one_failure_a_month_opens_nothing() -> None:
    machine = make(failure_threshold=5)
    for month in range(20):
        run(machine, FAILURE, month * 30 * 86_400.0)
        assert (machine.state, machine.failures) == (CLOSED, 1)


@pytest.mark.parametrize(("last", "state"), [(3600.0, OPEN), (3600.1, CLOSED)])
def test_a_failure_counts_in_a_run_for_an_hour(last: float, state: CircuitState) -> None:
    machine = make(failure_threshold=3)
    for now in (0.0, 1800.0, last):
        run(machine, FAILURE, now)
    assert machine.state is state


def test_old_failures_leave_a_run_one_by_one() -> None:
    machine = make(failure_threshold=4)
    counted = []
    for now in (0.0, 1500.0, 3000.0, 4500.0, 6000.0, 6001.0):
        run(machine, FAILURE, now)
        counted.append(machine.failures)
    assert counted == [1, 2, 3, 3, 3, 4]
    assert machine.state is OPEN


def test_old_failures_are_not_shown_either() -> None:
    machine = make(failure_threshold=5)
    for now in (0.0, 0.5, 100.0):
        run(machine, FAILURE, now)
    assert [machine.failures_at(now) for now in (100.0, 3600.0, 3650.0, 3701.0)] == [3, 3, 1, 0]
    run(machine, SUCCESS, 4000.0)
    assert (machine.failures_at(4000.0), machine.counts_successes) == (0, False)


def test_a_pause_that_was_asked_for_over_an_hour_ago_is_over() -> None:
    machine = make(failure_threshold=2)
    machine.settle(admit(machine), FAILURE, 0.0, asked=250.0)
    run(machine, FAILURE, 3601.0)
    run(machine, FAILURE, 3602.0)
    assert (machine.state, machine.retry_after(3602.0)) == (OPEN, OPEN_TIME)


def test_a_long_run_is_kept_in_little_memory_and_counted_to_the_end() -> None:
    machine = make(failure_threshold=100_000)
    for at in range(99_999):
        run(machine, FAILURE, at / 100)
    assert machine.failures == machine.failures_at(1000.0) == 99_999
    assert len(machine.older_failures) <= 1_001
    run(machine, FAILURE, 1000.0)
    assert machine.state is OPEN


def test_calls_admitted_before_a_failure_still_count_in_the_same_generation() -> None:
    machine = make(failure_threshold=3)
    early = [admit(machine) for _ in range(3)]
    for ticket in early:
        machine.settle(ticket, FAILURE, 0.0)
    assert machine.state is OPEN


def test_a_failure_after_the_trip_changes_nothing() -> None:
    machine = make(failure_threshold=1)
    late = admit(machine)
    trip(machine, 0.0)
    deadline, generation = machine.deadline, machine.generation
    assert machine.settle(late, FAILURE, 30.0) is None
    assert (machine.deadline, machine.generation, machine.failures) == (deadline, generation, 1)


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE, NOT_COUNTED])
def test_a_result_of_an_earlier_closed_time_counts_no_more(outcome: object) -> None:
    machine, first = half_open(failure_threshold=2, success_threshold=1)
    machine.settle(first, SUCCESS, OPEN_TIME)
    assert machine.state is CLOSED
    run(machine, FAILURE, OPEN_TIME)
    assert machine.settle(0, outcome, OPEN_TIME) is None  # type: ignore[arg-type]
    assert (machine.state, machine.failures) == (CLOSED, 1)


def test_a_reset_drops_the_failures_and_the_results_of_running_calls() -> None:
    machine = make(failure_threshold=2)
    late = admit(machine)
    run(machine, FAILURE)
    generation = machine.generation
    assert machine.reset(0.0) is None
    assert machine.generation == generation + 1
    machine.settle(late, FAILURE, 0.0)
    assert machine.failures == 0


def test_successes_are_worth_a_look_only_while_failures_stand() -> None:
    machine = make(failure_threshold=3)
    seen = [machine.counts_successes]
    for outcome in (FAILURE, SUCCESS):
        run(machine, outcome)
        seen.append(machine.counts_successes)
    assert seen == [False, True, False]


def test_tickets_rise_with_failures_so_that_an_error_is_known_as_counted() -> None:
    machine = make(failure_threshold=5)
    before = admit(machine)
    run(machine, FAILURE)
    after = admit(machine)
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after > before


def test_a_child_process_completes_a_change_that_the_fork_cut_in_two() -> None:
    machine = make(failure_threshold=1)
    trip(machine, 0.0)
    # As seen when another thread of the parent was between two lines of the change.
    machine.free_permit, machine.counts_successes = 0, False
    machine.after_fork()
    assert (machine.state, machine.counts_successes) == (OPEN, True)
    assert is_rejected(machine, 0.0)


def test_a_child_process_gets_all_probe_places() -> None:
    machine, _ = half_open(success_threshold=1)
    machine.after_fork()
    assert admit(machine, OPEN_TIME) is not None
    assert machine.state is HALF_OPEN
