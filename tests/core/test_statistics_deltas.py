"""Calls that are told to a fleet, and what a rule makes of those of all."""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.core.statistics import Statistics
from fastapi_hybrid_breaker.core.windows import KINDS

from .tallies import add, steps

SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED

NOTHING = (0,) * KINDS
WINDOW = TimeWindow(8.0, 8)
FAILING = FailureRate(0.5, window=WINDOW, minimum_calls=4)
windows = st.sampled_from([TimeWindow(8.0, 8), TimeWindow(1.0, 4), TimeWindow(2.0, 1)])


def kind_of(outcome: Outcome, seconds: float | None, limit: float | None) -> int | None:
    """Return the place of a call among the kinds; None: it is not counted."""
    is_slow = limit is not None and seconds is not None and seconds > limit
    if outcome is NOT_COUNTED:
        return 4 if is_slow else None
    return (0 if outcome is SUCCESS else 1) + (2 if is_slow else 0)


@given(windows, steps)
@example(WINDOW, [(0.0, (SUCCESS, None)), (0.0, None), (7.0, None), (8.0, None)])
def test_every_call_is_told_once_whenever_and_however_often_it_is_asked_for(
    window: TimeWindow, life: list[tuple[float, tuple[Outcome, float | None] | None]]
) -> None:
    rule = SlowCallRate(1.0, slower_than=1.0, window=window, minimum_calls=10**6)
    meter, width, now = Statistics([rule]), window.seconds / window.buckets, 0.0
    counted: dict[float, Counter[int]] = {}
    told: dict[float, Counter[int]] = {}
    for wait, call in life:
        now += wait
        if call is not None:
            meter.add(now, *call)
            kind = kind_of(*call, 1.0)
            if kind is not None:
                counted.setdefault(now // width, Counter())[kind] += 1
            continue
        for tally in meter.tallies(now, always=False):
            assert any(tally.kinds)
            assert min(tally.kinds) >= 0
            told.setdefault(tally.at / width, Counter()).update(dict(enumerate(tally.kinds)))
        for index in {*counted, *told}:
            if index > now // width - window.buckets:
                assert told.get(index, Counter()) == counted.get(index, Counter())
            else:  # what nobody asked for while it was in the window is gone
                assert told.get(index, Counter()) <= counted[index]


def test_a_tally_says_which_window_and_when() -> None:
    meter = Statistics([FAILING])
    add(meter, FAILURE, SUCCESS, now=2.5)
    (tally,) = meter.tallies(3.5, always=False)
    assert (tally.width, tally.buckets, tally.at, tally.kinds) == (1.0, 8, 2.0, (1, 1, 0, 0, 0))
    assert tally.window == meter.books[0].name


def test_each_kind_of_call_has_its_place() -> None:
    meter = Statistics([SlowCallRate(1.0, slower_than=1.0, window=WINDOW)])
    for times, (outcome, seconds) in enumerate(
        [(SUCCESS, 1.0), (FAILURE, 0.1), (SUCCESS, 1.1), (FAILURE, 2.0), (NOT_COUNTED, 3.0)],
        start=1,
    ):
        for _ in range(times):
            meter.add(0.0, outcome, seconds)
    meter.add(0.0, NOT_COUNTED, 0.5)
    (tally,) = meter.tallies(0.0, always=False)
    assert tally.kinds == (1, 2, 3, 4, 5)


def test_what_is_counted_after_a_bucket_was_told_is_told_alone() -> None:
    meter = Statistics([FAILING])
    add(meter, FAILURE, FAILURE, now=2.0)
    meter.tallies(2.25, always=False)
    add(meter, FAILURE, now=2.5)
    (tally,) = meter.tallies(9.5, always=False)
    assert (tally.at, tally.kinds) == (2.0, (0, 1, 0, 0, 0))


def test_what_left_the_window_before_anybody_asked_is_not_told() -> None:
    meter = Statistics([FAILING])
    add(meter, FAILURE, now=2.0)
    assert meter.tallies(10.0, always=False) == ()


def test_the_last_calls_of_a_fleet_are_nobodys_to_know() -> None:
    meter = Statistics([FailureRate(0.5, window=CountWindow(10), minimum_calls=1)])
    add(meter, FAILURE)
    assert meter.tallies(0.0, always=True) == ()


def test_runs_alone_have_no_tallies() -> None:
    meter = Statistics([ConsecutiveFailures(2)])
    add(meter, FAILURE)
    assert meter.tallies(0.0, always=True) == ()


def test_always_gives_something_even_where_nothing_is_new() -> None:
    meter = Statistics([FAILING])
    add(meter, FAILURE, now=2.0)
    assert len(meter.tallies(2.5, always=True)) == 1
    (empty,) = meter.tallies(3.5, always=True)
    assert (empty.window, empty.at, empty.kinds) == (meter.books[0].name, 3.5, NOTHING)
    assert (empty.width, empty.buckets) == (1.0, 8)


def test_always_adds_nothing_where_something_is_new() -> None:
    meter = Statistics([FAILING])
    add(meter, FAILURE, now=2.0)
    (tally,) = meter.tallies(2.0, always=True)
    assert any(tally.kinds)


def test_each_window_tells_its_own_part() -> None:
    meter = Statistics([FAILING, FailureRate(0.5, window=TimeWindow(2.0, 2))])
    add(meter, FAILURE, now=1.0)
    meter.tallies(1.0, always=False)
    add(meter, SUCCESS, now=4.0)
    long, short = meter.tallies(4.0, always=False)
    assert long.kinds == short.kinds == (1, 0, 0, 0, 0)
    assert long.window != short.window


def test_windows_that_tell_slow_calls_apart_otherwise_are_not_the_same() -> None:
    names = {
        Statistics([rule]).books[0].name
        for rule in (
            FailureRate(0.5, window=WINDOW),
            SlowCallRate(0.5, slower_than=1.0, window=WINDOW),
            SlowCallRate(0.5, slower_than=2.0, window=WINDOW),
            FailureRate(0.5, window=TimeWindow(9.0, 8)),
        )
    }
    assert len(names) == 4


def test_rates_and_minimums_do_not_keep_instances_from_adding_up() -> None:
    one, other = (
        Statistics([FailureRate(rate, window=WINDOW, minimum_calls=calls)])
        for rate, calls in ((0.1, 5), (0.9, 50))
    )
    assert one.books[0].name == other.books[0].name


def test_the_name_of_a_window_says_all_that_makes_it_what_it_is() -> None:
    meter = Statistics([SlowCallRate(0.5, slower_than=1.5, window=TimeWindow(7.25, 3))])
    for part in ("7.25", "3", "1.5"):
        assert part in meter.books[0].name
    same = Statistics([SlowCallRate(0.9, slower_than=2, window=TimeWindow(7, 3))])
    as_float = Statistics([SlowCallRate(0.1, slower_than=2.0, window=TimeWindow(7.0, 3))])
    assert same.books[0].name == as_float.books[0].name


def test_after_a_change_of_state_counting_and_telling_begin_anew() -> None:
    meter = Statistics([FAILING])
    add(meter, FAILURE, FAILURE, now=2.0)
    meter.tallies(2.0, always=False)
    meter.clear_windows()
    assert meter.tallies(2.0, always=False) == ()
    add(meter, FAILURE, now=2.0)
    (tally,) = meter.tallies(2.0, always=False)
    assert tally.kinds == (0, 1, 0, 0, 0)


# -- being troubled ---------------------------------------------------------------------------


def test_left_closed_at_its_rate_whatever_the_number_of_calls() -> None:
    meter = Statistics([FailureRate(0.5, window=WINDOW, minimum_calls=100)])
    add(meter, SUCCESS, SUCCESS, FAILURE)
    assert not meter.judge(0.0)
    add(meter, FAILURE)
    assert meter.over_threshold
    assert meter.judge(0.0)


def test_trouble_is_over_when_it_has_left_the_window() -> None:
    meter = Statistics([FailureRate(0.5, window=WINDOW, minimum_calls=100)])
    add(meter, FAILURE, now=2.0)
    assert meter.judge(9.9)
    assert not meter.judge(10.0)
    assert not meter.over_threshold
    add(meter, SUCCESS, now=10.0)
    assert not meter.over_threshold


def test_trouble_is_over_when_good_calls_outweigh_it() -> None:
    meter = Statistics([FailureRate(0.5, window=WINDOW, minimum_calls=100)])
    add(meter, FAILURE, SUCCESS, SUCCESS)
    assert not meter.judge(0.0)
    assert not meter.over_threshold


def test_troubled_by_any_of_its_windows() -> None:
    slow = SlowCallRate(0.5, slower_than=1.0, window=TimeWindow(2.0, 2), minimum_calls=100)
    meter = Statistics([FailureRate(0.5, window=WINDOW, minimum_calls=100), slow])
    meter.add(0.0, SUCCESS, 5.0)
    assert meter.over_threshold
    assert meter.judge(1.0)
    assert not meter.judge(2.0)


def test_the_last_calls_are_no_trouble_of_a_fleet_whatever_their_rate() -> None:
    meter = Statistics([FailureRate(0.5, window=CountWindow(10), minimum_calls=3)])
    add(meter, FAILURE, FAILURE)
    assert not meter.over_threshold
    assert not meter.judge(0.0)
    assert meter.add(0.0, FAILURE, None) is not None  # they open it here all the same
    assert not meter.over_threshold


def test_not_troubled_without_calls_nor_after_clearing() -> None:
    meter = Statistics([FAILING])
    assert not meter.judge(0.0)
    add(meter, FAILURE)
    meter.clear_windows()
    assert not meter.over_threshold
    assert not meter.judge(0.0)
