"""HALF_OPEN: a few probes at once, each a lease with a deadline."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.machine import StateMachine
from fastapi_hybrid_breaker.core.override import make_override
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.probes import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.rules import CountWindow, SlowCallRate
from fastapi_hybrid_breaker.core.states import Cause, Outcome

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
    probe,
    run,
    trip,
)


def test_as_many_probes_as_it_takes_to_close_unless_said_otherwise() -> None:
    machine, _ = half_open(success_threshold=3)
    probe(machine, OPEN_TIME)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)


def test_never_more_probes_at_once_than_half_open_max_calls() -> None:
    machine, first = half_open(success_threshold=5, half_open_max_calls=1)
    assert is_rejected(machine, OPEN_TIME)
    machine.settle(first, SUCCESS, OPEN_TIME)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)


def test_tells_a_wait_while_all_places_are_taken_and_none_otherwise() -> None:
    machine, first = half_open(half_open_max_calls=1)
    assert machine.retry_after(OPEN_TIME) == RETRY_WHILE_PROBING
    machine.settle(first, NOT_COUNTED, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) == 0.0


def test_enough_successes_close_it() -> None:
    machine, first = half_open(success_threshold=2)
    assert machine.settle(first, SUCCESS, OPEN_TIME) is None
    assert (machine.state, machine.successes) == (HALF_OPEN, 1)
    assert run(machine, SUCCESS, OPEN_TIME) == change(HALF_OPEN, CLOSED, Cause.PROBES_SUCCEEDED, 3)
    assert (machine.failures, machine.successes) == (0, 0)


def test_one_failure_opens_it_again_for_a_whole_open_time() -> None:
    machine, first = half_open(success_threshold=3)
    run(machine, SUCCESS, OPEN_TIME)
    later = OPEN_TIME + 10
    assert machine.settle(first, FAILURE, later) == change(HALF_OPEN, OPEN, Cause.PROBE_FAILED, 3)
    assert machine.retry_after(later) == OPEN_TIME
    assert machine.successes == 0


def test_no_verdict_gives_the_place_back_and_counts_nothing() -> None:
    machine, first = half_open(half_open_max_calls=1, success_threshold=1)
    assert machine.settle(first, NOT_COUNTED, OPEN_TIME) is None
    assert (machine.state, machine.successes) == (HALF_OPEN, 0)
    probe(machine, OPEN_TIME)


@pytest.mark.parametrize("again", list(Outcome))
@pytest.mark.parametrize("once", [SUCCESS, NOT_COUNTED])
def test_a_probe_settled_twice_counts_once(once: Outcome, again: Outcome) -> None:
    machine, first = half_open(success_threshold=3)
    machine.settle(first, once, OPEN_TIME)
    before = (machine.state, machine.successes, machine.generation)
    assert machine.settle(first, again, OPEN_TIME) is None
    assert (machine.state, machine.successes, machine.generation) == before


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_a_probe_of_an_earlier_recovery_counts_no_more(outcome: Outcome) -> None:
    machine, late = half_open(success_threshold=2)
    run(machine, FAILURE, OPEN_TIME)
    probe(machine, 2 * OPEN_TIME)
    assert machine.settle(late, outcome, 2 * OPEN_TIME) is None
    assert (machine.state, machine.successes) == (HALF_OPEN, 0)


def test_a_probe_of_an_earlier_recovery_holds_no_place_in_this_one() -> None:
    machine, _ = half_open(half_open_max_calls=2)
    run(machine, FAILURE, OPEN_TIME)
    probe(machine, 2 * OPEN_TIME)
    probe(machine, 2 * OPEN_TIME)
    assert is_rejected(machine, 2 * OPEN_TIME)


def test_probes_still_running_when_it_closes_count_no_more() -> None:
    machine, first = half_open(success_threshold=1, half_open_max_calls=2, failure_threshold=1)
    straggler = probe(machine, OPEN_TIME)
    machine.settle(first, SUCCESS, OPEN_TIME)
    assert machine.settle(straggler, FAILURE, OPEN_TIME) is None
    assert (machine.state, machine.failures) == (CLOSED, 0)


def test_a_probe_that_never_returns_loses_its_place_at_its_deadline() -> None:
    machine, _ = half_open(half_open_max_calls=1, half_open_timeout=5.0)
    assert is_rejected(machine, OPEN_TIME + 4.9)
    probe(machine, OPEN_TIME + 5.0)
    assert is_rejected(machine, OPEN_TIME + 5.0)


def test_the_deadline_of_a_probe_is_the_open_time_unless_said_otherwise() -> None:
    machine, _ = half_open(half_open_max_calls=1)
    assert is_rejected(machine, 2 * OPEN_TIME - 0.1)
    probe(machine, 2 * OPEN_TIME)


def test_an_overdue_probe_is_no_reason_to_wait() -> None:
    machine, _ = half_open(half_open_max_calls=1, half_open_timeout=5.0)
    assert machine.retry_after(OPEN_TIME + 5.0) == 0.0


@pytest.mark.parametrize(
    ("outcome", "state"), [(SUCCESS, CLOSED), (FAILURE, OPEN), (NOT_COUNTED, HALF_OPEN)]
)
def test_an_overdue_probe_still_gives_its_verdict(outcome: Outcome, state: str) -> None:
    machine, slow = half_open(success_threshold=1, half_open_timeout=5.0)
    machine.settle(slow, outcome, OPEN_TIME + 50)
    assert machine.state == state


def test_an_overdue_probe_that_reports_frees_no_place_of_another() -> None:
    machine, slow = half_open(half_open_max_calls=1, success_threshold=2, half_open_timeout=5.0)
    probe(machine, OPEN_TIME + 5)
    machine.settle(slow, NOT_COUNTED, OPEN_TIME + 6)
    assert is_rejected(machine, OPEN_TIME + 6)


def test_reset_closes_it_and_the_probes_count_no_more() -> None:
    machine, first = half_open(failure_threshold=1)
    assert machine.reset(OPEN_TIME) == change(HALF_OPEN, CLOSED, Cause.RESET, 3)
    machine.settle(first, FAILURE, OPEN_TIME)
    assert machine.state is CLOSED


def test_a_probe_knows_whether_its_verdict_would_count() -> None:
    machine, first = half_open(success_threshold=3)
    assert first.is_running()
    machine.settle(first, SUCCESS, OPEN_TIME)
    assert not first.is_running()
    second = admit(machine, OPEN_TIME)
    assert isinstance(second, Probe)
    machine.reset(OPEN_TIME)
    assert not second.is_running()


def test_a_change_to_half_open_that_was_interrupted_rejects_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = make(success_threshold=1)
    trip(machine)

    def interrupted(*about: object) -> None:
        raise RecursionError  # or what a signal's handler raises

    with monkeypatch.context() as patched:
        patched.setattr(StateMachine, "describe", interrupted)
        with pytest.raises(RecursionError):
            machine.admit(OPEN_TIME)
    assert isinstance(admit(machine, OPEN_TIME), Probe)


def test_under_an_override_calls_are_not_rejected_by_the_circuits_own_deadline() -> None:
    machine, _ = half_open(success_threshold=3)
    override = make_override("forced_open", by="me", reason="why", seconds=None, now=OPEN_TIME)
    machine.put(override, "me", OPEN_TIME)
    machine.open_for(OPEN_TIME, OPEN_TIME)
    assert machine.reject_until < OPEN_TIME
    machine.put(None, "me", OPEN_TIME)
    assert machine.reject_until == machine.deadline == 2 * OPEN_TIME


def test_a_probe_is_no_earlier_sign_than_the_one_before() -> None:
    machine, _ = half_open(success_threshold=3)
    machine.see_probing(OPEN_TIME + 2.0)
    probe(machine, OPEN_TIME + 1.0)
    assert machine.last_sign == OPEN_TIME + 2.0


def test_a_probe_that_fails_is_one_more_of_the_failures_that_are_shown() -> None:
    machine, first = half_open(failure_threshold=3)
    assert machine.failures == 3
    machine.settle(first, FAILURE, OPEN_TIME)
    assert (machine.failures, machine.evidence.failures) == (4, 4)


@pytest.mark.parametrize(("seconds", "state"), [(1.0, CLOSED), (1.001, OPEN)])
def test_a_probe_is_slow_that_took_longer_than_the_rule_says(seconds: float, state: Any) -> None:
    slow = SlowCallRate(0.5, slower_than=1.0, window=CountWindow(2), minimum_calls=2)
    machine = make(trip=slow, success_threshold=1)
    for _ in range(2):
        machine.settle(admit(machine), SUCCESS, 0.0, seconds=2.0)
    machine.settle(probe(machine, OPEN_TIME), SUCCESS, OPEN_TIME, seconds=seconds)
    assert machine.state is state
