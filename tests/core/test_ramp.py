"""After a recovery: a growing share of the calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fastapi_hybrid_breaker import Backoff, CircuitConfig, Evidence
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.override import Override, OverrideKind

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    SUCCESS,
    Machine,
    admit,
    is_rejected,
    news,
    run,
)

SHARES = (0.1, 0.25, 0.5, 1.0)


def recovered(**settings: Any) -> Machine:
    """Return a machine that has closed at 10.0, and ramps for 40 seconds."""
    defaults = {
        "failure_threshold": 1,
        "success_threshold": 1,
        "recovery_timeout": 10.0,
        "ramp_seconds": 40.0,
        "ramp_shares": SHARES,
    }
    machine = Machine("k", CircuitConfig(**(defaults | settings)))
    run(machine, FAILURE, 0.0)
    run(machine, SUCCESS, 10.0)
    assert machine.state is CLOSED
    return machine


def admitted(machine: Machine, now: float, calls: int = 1000) -> int:
    return sum(machine.admit(now)[0] is not None for _ in range(calls))


@pytest.mark.parametrize(
    ("since", "share"),
    [(0.0, 0.1), (9.99, 0.1), (10.0, 0.25), (20.0, 0.5), (30.0, 1.0), (40.0, 1.0), (1e6, 1.0)],
)
def test_each_part_of_the_time_has_its_share_exactly(since: float, share: float) -> None:
    assert admitted(recovered(), 10.0 + since) == round(1000 * share)


def test_the_first_call_is_admitted_and_then_every_tenth() -> None:
    machine = recovered()
    seen = [machine.admit(10.0)[0] is not None for _ in range(21)]
    assert [at for at, is_admitted in enumerate(seen) if is_admitted] == [0, 10, 20]


def test_afterwards_calls_are_admitted_without_a_question() -> None:
    machine = recovered()
    assert machine.free_permit is None
    assert machine.admit(50.0)[0] == machine.free_permit
    assert machine.ramp is None


def test_admitted_calls_count_as_always() -> None:
    machine = recovered(failure_threshold=2)
    machine.reset(10.0)
    machine = recovered()
    assert run(machine, FAILURE, 11.0) is not None
    assert machine.state is OPEN


def test_a_trip_within_it_opens_for_longer_however_early_the_row_would_end() -> None:
    machine = recovered(backoff=Backoff(jitter=0.0, reset_after=1.0))
    run(machine, FAILURE, 45.0)
    assert machine.retry_after(45.0) == 20.0


def test_a_reset_admits_all() -> None:
    machine = recovered()
    machine.reset(11.0)
    assert admitted(machine, 11.0) == 1000


@pytest.mark.parametrize("settings", [{"ramp_seconds": None}, {"mode": "shadow"}], ids=str)
def test_there_is_none_unless_it_is_set_and_none_in_shadow_mode(settings: Any) -> None:
    assert admitted(recovered(**settings), 10.0) == 1000


def test_a_recovery_elsewhere_ramps_here_too() -> None:
    machine = recovered()
    run(machine, FAILURE, 100.0)
    machine.adopt(news(5, CLOSED), 101.0)
    assert admitted(machine, 101.0) == 100


def test_a_reset_elsewhere_admits_all() -> None:
    machine = recovered()
    run(machine, FAILURE, 100.0)
    told = replace(news(5, CLOSED), evidence=Evidence(cause="reset"))
    machine.adopt(told, 101.0)
    assert admitted(machine, 101.0) == 1000


def test_one_recovery_told_by_two_goes_on_where_it_was() -> None:
    machine = recovered()
    machine.adopt(news(5, CLOSED), 30.0)
    assert admitted(machine, 30.0) == 500


def test_a_recovery_elsewhere_that_is_heard_of_late_has_ramped_meanwhile() -> None:
    machine = recovered()
    run(machine, FAILURE, 100.0)
    machine.adopt(replace(news(5, CLOSED), age=25.0), 130.0)  # by one that says no more
    assert admitted(machine, 130.0) == 500
    run(machine, FAILURE, 200.0)
    machine.adopt(replace(news(6, CLOSED), recovered_for=12.0, let_back_for=12.0), 230.0)
    assert admitted(machine, 230.0) == 250
    assert machine.recovered_at == 218.0


def test_of_two_recoveries_the_one_that_was_missed_counts() -> None:
    machine = recovered()
    machine.adopt(replace(news(7, CLOSED), recovered_for=5.0, let_back_for=5.0), 500.0)
    assert admitted(machine, 500.0) == 100


@pytest.mark.parametrize("ends", [None, 100.0])
def test_calls_come_back_in_shares_after_a_forced_opening(ends: float | None) -> None:
    machine = recovered()
    assert admitted(machine, 80.0) == 1000
    machine.put(Override(OverrideKind.FORCED_OPEN, "ann", "x", ends), "ann", 90.0)
    if ends is None:
        machine.put(None, "ann", 100.0)
    assert machine.lift(120.0) is None or ends is not None
    assert admitted(machine, 105.0 if ends is None else 125.0) == (100 if ends is None else 500)


def test_a_forced_opening_that_ended_long_before_the_next_call_has_ramped_meanwhile() -> None:
    machine = recovered()
    machine.put(Override(OverrideKind.FORCED_OPEN, "ann", "x", 100.0), "ann", 90.0)
    machine.lift(1_000.0)
    assert admitted(machine, 1_000.0) == 1000


def test_a_forced_opening_that_is_replaced_lets_nothing_back() -> None:
    machine = recovered()
    machine.put(Override(OverrideKind.FORCED_OPEN, "ann", "x", None), "ann", 90.0)
    machine.put(Override(OverrideKind.DISABLED, "ann", "x", None), "ann", 91.0)
    assert admitted(machine, 91.0) == 1000
    machine.put(None, "ann", 92.0)
    assert admitted(machine, 92.0) == 1000


@pytest.mark.parametrize("settings", [{"ramp_seconds": None}, {"mode": "shadow"}], ids=str)
def test_there_is_none_after_a_forced_opening_either_unless_it_is_set(settings: Any) -> None:
    machine = recovered(**settings)
    machine.put(Override(OverrideKind.FORCED_OPEN, "ann", "x", None), "ann", 90.0)
    machine.put(None, "ann", 100.0)
    assert admitted(machine, 100.0) == 1000


def test_a_reset_that_asks_for_it_lets_calls_back_in_shares() -> None:
    machine = recovered()
    run(machine, FAILURE, 100.0)
    machine.reset(101.0, ramp=True)
    assert admitted(machine, 101.0) == 100
    assert (machine.recovered_at, machine.describe(101.0).let_back_for) == (None, 0.0)
    machine.reset(102.0)
    assert admitted(machine, 102.0) == 1000


def test_a_reset_elsewhere_that_asks_for_it_lets_calls_back_in_shares() -> None:
    machine = recovered()
    told = replace(news(5, CLOSED), evidence=Evidence(cause="reset"), let_back_for=11.0)
    machine.adopt(told, 101.0)
    assert admitted(machine, 101.0) == 250
    assert machine.recovered_at is None


def test_a_configuration_that_comes_later_ramps_by_what_happened_before_it() -> None:
    machine = recovered(ramp_seconds=None)
    machine.configure(recovered().config)
    assert admitted(machine, 20.0) == 250


def told_long_ago(**fields: Any) -> News:
    """Return the first word on a circuit that has been CLOSED since before this process came."""
    return replace(news(5, CLOSED), age=1_000.0, **fields)


def test_a_session_that_begins_again_leaves_a_ramp_that_only_this_process_knows_of() -> None:
    machine = recovered()
    machine.forget_fleet()
    machine.adopt(told_long_ago(), 20.0)
    assert (admitted(machine, 20.0), machine.recovered_at) == (250, 10.0)


def test_a_newcomer_that_decides_for_itself_takes_over_a_reset_alone() -> None:
    config = replace(recovered().config, scope="instance")
    machine = Machine("k", config)
    machine.adopt(told_long_ago(recovered_for=1.0, let_back_for=1.0), 100.0)
    assert (admitted(machine, 100.0), machine.recovered_at) == (1000, None)
    machine = Machine("k", config)
    reset = Evidence(cause="reset")
    machine.adopt(told_long_ago(let_back_for=1.0, evidence=reset), 100.0)
    assert admitted(machine, 100.0) == 100


def test_an_opening_that_somebody_set_for_a_time_is_not_made_longer() -> None:
    machine = Machine("k", replace(recovered().config, backoff=Backoff(jitter=0.0)))
    machine.open_for(3.0, 100.0)
    machine.adopt(told_long_ago(recovered_for=1.0), 101.0)
    assert (machine.retry_after(101.0), machine.reopenings) == (2.0, 0)


@pytest.mark.parametrize(("asked", "open_for"), [(None, 40.0), (90.0, 90.0)])
def test_a_trip_before_the_first_word_lasts_as_long_as_one_after_it(
    asked: float | None, open_for: float
) -> None:
    machine = Machine("k", replace(recovered().config, backoff=Backoff(jitter=0.0)))
    machine.settle(admit(machine, 100.0), FAILURE, 100.0, asked=asked)
    machine.adopt(replace(told_long_ago(recovered_for=6.0), reopenings=1), 101.0)
    assert (machine.reopenings, machine.unshared) == (2, True)
    assert machine.retry_after(100.0) == open_for
    assert is_rejected(machine, 100.0 + open_for - 0.1)
    assert not is_rejected(machine, 100.0 + open_for)


def test_a_trip_before_the_first_word_after_a_recovery_long_ago_begins_a_row() -> None:
    machine = Machine("k", replace(recovered().config, backoff=Backoff(jitter=0.0)))
    run(machine, FAILURE, 100.0)
    machine.adopt(replace(told_long_ago(recovered_for=500.0), reopenings=1), 101.0)
    assert (machine.reopenings, machine.retry_after(100.0)) == (0, 10.0)


def test_probing_elsewhere_ends_it() -> None:
    machine = recovered()
    machine.adopt(news(5, HALF_OPEN), 12.0)
    assert machine.state is HALF_OPEN
    run(machine, SUCCESS, 13.0)
    assert admitted(machine, 13.0) == 100
