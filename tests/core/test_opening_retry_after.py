"""A Retry-After of the upstream, and how long an opening lasts for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    Backoff,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    TimeWindow,
)

from .machines import FAILURE, OPEN, SUCCESS, Machine, admit, run
from .openings import fail_again, make

STEADY = Backoff(multiplier=2.0, maximum=100.0, jitter=0.0)


@pytest.mark.parametrize(
    ("asked", "limits", "length"),
    [
        (17.0, (1.0, 300.0), 17.0),
        (0.0, (25.0, 300.0), 25.0),
        (1e9, (1.0, 300.0), 300.0),
        (17.0, None, 10.0),
        (None, (1.0, 300.0), 10.0),
    ],
)
def test_what_the_upstream_asks_for_is_kept_within_limits(
    asked: float | None, limits: tuple[float, float] | None, length: float
) -> None:
    machine = make(retry_after_limits=limits)
    machine.settle(admit(machine), FAILURE, 0.0, asked=asked)
    assert machine.retry_after(0.0) == length


@pytest.mark.parametrize("limits", [(1.0, 300.0), (1.0, 5.0), (0.001, 0.002)])
@pytest.mark.parametrize("asked", [0.0, 1.0, 9.9])
def test_a_short_retry_after_does_not_shorten_the_recovery_timeout(
    asked: float, limits: tuple[float, float]
) -> None:
    machine = make(retry_after_limits=limits)
    machine.settle(admit(machine), FAILURE, 0.0, asked=asked)
    assert machine.retry_after(0.0) == 10.0


def test_an_upstream_that_always_says_one_second_does_not_switch_the_backoff_off() -> None:
    machine, now, lengths = make(backoff=STEADY), 0.0, []
    for _ in range(5):
        machine.settle(admit(machine, now), FAILURE, now, asked=1.0)
        lengths.append(machine.retry_after(now))
        now += lengths[-1]
    assert lengths == [10.0, 20.0, 40.0, 80.0, 100.0]


def test_what_it_asks_for_is_neither_multiplied_nor_left_out_of_the_row() -> None:
    machine = make(backoff=STEADY)
    run(machine, FAILURE, 0.0)
    machine.settle(admit(machine, 10.0), FAILURE, 10.0, asked=33.0)
    assert machine.retry_after(10.0) == 33.0
    assert fail_again(machine, 43.0) == 40.0


def test_it_may_ask_for_more_than_the_maximum_of_the_backoff() -> None:
    machine = make(backoff=STEADY)
    machine.settle(admit(machine), FAILURE, 0.0, asked=250.0)
    assert machine.retry_after(0.0) == 250.0


@pytest.mark.parametrize(
    "asked", [(120.0, 120.0, 120.0, 120.0, None), (120.0, 3.0, None, 40.0, 1.0)]
)
def test_the_last_of_a_run_need_not_be_the_one_that_asks(asked: tuple[float | None, ...]) -> None:
    machine = make(failure_threshold=5)
    for at, seconds in enumerate(asked):
        machine.settle(admit(machine), FAILURE, 2.0 * at, asked=seconds)
    assert machine.retry_after(8.0) == 120.0


def test_what_was_asked_for_before_a_success_is_over() -> None:
    machine = make(failure_threshold=2)
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    run(machine, SUCCESS, 1.0)
    machine.settle(admit(machine), FAILURE, 2.0, asked=17.0)
    run(machine, FAILURE, 3.0)
    assert machine.retry_after(3.0) == 17.0


def test_what_was_asked_for_before_an_opening_or_a_reset_is_over() -> None:
    machine = make(failure_threshold=2)
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    machine.reset(1.0)
    run(machine, FAILURE, 2.0)
    run(machine, FAILURE, 2.0)
    assert machine.retry_after(2.0) == 10.0
    run(machine, SUCCESS, 12.0)
    run(machine, FAILURE, 13.0)
    run(machine, FAILURE, 13.0)
    assert machine.retry_after(13.0) == 10.0


def test_a_probe_asks_for_itself_alone() -> None:
    machine = make(success_threshold=2)
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    run(machine, FAILURE, 120.0)
    assert machine.retry_after(120.0) == 10.0
    machine.settle(admit(machine, 130.0), FAILURE, 130.0, asked=33.0)
    assert machine.retry_after(130.0) == 33.0


def rate_of(window: CountWindow | TimeWindow) -> Machine:
    return make(trip=FailureRate(0.5, window=window, minimum_calls=4), failure_threshold=None)


def test_for_a_rate_it_asks_within_the_window_whatever_succeeded_since() -> None:
    machine = rate_of(TimeWindow(60.0))
    machine.settle(admit(machine), FAILURE, 1.0, asked=120.0)
    run(machine, SUCCESS, 2.0)
    run(machine, SUCCESS, 3.0)
    machine.settle(admit(machine), FAILURE, 4.0, asked=17.0)
    assert machine.retry_after(4.0) == 120.0


def test_what_has_left_the_window_of_a_rate_asks_for_nothing() -> None:
    machine = rate_of(TimeWindow(60.0))
    machine.settle(admit(machine), FAILURE, 1.0, asked=120.0)
    machine.settle(admit(machine), FAILURE, 50.0, asked=17.0)
    for at in (62.0, 63.0, 64.0):
        run(machine, FAILURE, at)
    assert (machine.state, machine.retry_after(64.0)) == (OPEN, 17.0)


def test_what_has_left_a_window_of_calls_asks_for_nothing() -> None:
    machine = rate_of(CountWindow(4))
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    for _ in range(3):
        run(machine, SUCCESS)
    machine.settle(admit(machine), FAILURE, 1.0, asked=17.0)
    run(machine, FAILURE, 2.0)
    assert (machine.state, machine.retry_after(2.0)) == (OPEN, 17.0)


def test_a_window_of_calls_that_is_emptied_forgets_what_was_asked_for() -> None:
    machine = rate_of(CountWindow(4))
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    machine.reset(1.0)
    for _ in range(4):
        run(machine, FAILURE, 2.0)
    assert machine.retry_after(2.0) == 10.0


def test_with_several_rules_the_one_that_opens_says_what_was_asked_for() -> None:
    rules = [FailureRate(0.5, window=TimeWindow(60.0), minimum_calls=5), ConsecutiveFailures(2)]
    machine = make(trip=rules, failure_threshold=None)
    machine.settle(admit(machine), FAILURE, 1.0, asked=120.0)
    run(machine, SUCCESS, 2.0)
    machine.settle(admit(machine), FAILURE, 3.0, asked=17.0)
    run(machine, FAILURE, 4.0)
    assert machine.retry_after(4.0) == 17.0


def test_an_opening_by_the_run_of_the_whole_fleet_heeds_what_was_asked_for_here() -> None:
    machine = make(failure_threshold=5)
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    machine.trip_by_run(machine.generation, 5, 1.0)
    assert machine.retry_after(1.0) == 120.0


def test_an_opening_by_the_rate_of_the_whole_fleet_heeds_what_was_asked_for_here() -> None:
    machine = rate_of(TimeWindow(60.0))
    machine.settle(admit(machine), FAILURE, 0.0, asked=120.0)
    calls = {machine.meter.books[0].name: (0, 4, 0, 0, 0)}
    machine.judge_fleet(machine.generation, calls, 1.0)
    assert machine.retry_after(1.0) == 120.0


@given(st.lists(st.tuples(st.integers(1, 30), st.none() | st.integers(1, 200)), max_size=60))
def test_the_longest_within_a_window_is_found_whatever_came_in_between(
    calls: list[tuple[int, int | None]],
) -> None:
    window, now, found = TimeWindow(60.0), 0, list[tuple[int, int]]()
    machine = make(trip=FailureRate(1.0, window=window, minimum_calls=1000), failure_threshold=None)
    for pause, asked in calls:
        now += pause
        machine.settle(admit(machine), FAILURE, float(now), asked=asked)
        if asked is not None:
            found.append((now, asked))
    # The window moves in steps of a bucket, six seconds.
    within = [asked for at, asked in found if at // 6 > now // 6 - 10]
    assert machine.meter.books[0].asked(float(now)) == max(within, default=None)
