"""What reporting costs a call: nothing while a circuit is healthy."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.shared_run import ANNOUNCED_AGAIN

from .machines import (
    CLOSED,
    FAILURE,
    OPEN,
    SUCCESS,
    is_rejected,
    make,
    news,
    run,
)
from .members import is_on_the_fast_path, member, opened
from .reports import end_run, hears_of_a_run, report, reported


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
