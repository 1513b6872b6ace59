"""OPEN: all are rejected until the time is up."""

from __future__ import annotations

from fastapi_hybrid_breaker.core.states import Cause

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    admit,
    change,
    is_rejected,
    make,
    probe,
    run,
    trip,
)


def test_rejects_until_the_time_is_up_and_tells_the_wait() -> None:
    machine = make()
    trip(machine, 100.0)
    for waited in (0.0, 1.0, OPEN_TIME - 0.25):
        assert is_rejected(machine, 100.0 + waited)
        assert machine.retry_after(100.0 + waited) == OPEN_TIME - waited
    assert machine.state is OPEN


def test_the_first_call_after_the_open_time_is_a_probe() -> None:
    machine = make()
    trip(machine, 0.0)
    ticket, news = machine.admit(OPEN_TIME)
    assert ticket is not None
    assert news == change(OPEN, HALF_OPEN, Cause.TIMEOUT, 2)


def test_looking_past_the_open_time_changes_nothing() -> None:
    machine = make()
    trip(machine, 0.0)
    generation = machine.generation
    assert machine.retry_after(10 * OPEN_TIME) == 0.0
    assert machine.describe(10 * OPEN_TIME).remaining == 0.0
    assert (machine.state, machine.generation) == (OPEN, generation)


def test_rejections_do_not_extend_the_open_time() -> None:
    machine = make()
    trip(machine, 0.0)
    for second in range(int(OPEN_TIME)):
        assert is_rejected(machine, float(second))
    assert admit(machine, OPEN_TIME) is not None


def test_a_late_success_does_not_close() -> None:
    machine = make(failure_threshold=1, success_threshold=1)
    late = admit(machine)
    trip(machine, 0.0)
    assert machine.settle(late, SUCCESS, 1.0) is None
    assert machine.state is OPEN


def test_a_late_failure_does_not_extend_the_open_time() -> None:
    machine = make(failure_threshold=1)
    late = admit(machine)
    trip(machine, 0.0)
    machine.settle(late, FAILURE, OPEN_TIME - 1)
    assert machine.retry_after(OPEN_TIME - 1) == 1.0


def test_a_clock_that_steps_back_rejects_but_not_for_ever() -> None:
    machine = make()
    trip(machine, 100.0)
    assert is_rejected(machine, 50.0)
    assert admit(machine, 100.0 + OPEN_TIME) is not None


def test_reset_closes_at_once_and_empties_the_counts() -> None:
    machine = make(failure_threshold=2)
    trip(machine, 0.0)
    assert machine.reset(1.0) == change(OPEN, CLOSED, Cause.RESET, 2)
    assert (machine.failures, machine.successes, machine.free_permit) == (0, 0, machine.sequence)
    run(machine, FAILURE, 1.0)
    assert machine.state is CLOSED


def test_shows_the_run_that_opened_it() -> None:
    machine = make(failure_threshold=3)
    trip(machine, 0.0)
    assert machine.failures == 3
    probe(machine, OPEN_TIME)
    assert machine.failures == 3
