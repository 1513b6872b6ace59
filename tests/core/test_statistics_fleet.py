"""What a rule makes of the calls of a whole fleet."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import (
    FailureRate,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.shared_run import BucketDelta
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.core.statistics import Statistics
from fastapi_hybrid_breaker.core.windows import KINDS

from .tallies import add, calls, waits

SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED
WINDOW = TimeWindow(8.0, 8)
FAILING = FailureRate(0.5, window=WINDOW, minimum_calls=4)
windows = st.sampled_from([TimeWindow(8.0, 8), TimeWindow(1.0, 4), TimeWindow(2.0, 1)])
percents = st.integers(1, 100)


@st.composite
def rules(draw: st.DrawFn) -> FailureRate | SlowCallRate:
    window, rate, minimum = draw(windows), draw(percents) / 100, draw(st.integers(1, 6))
    if draw(st.booleans()):
        return FailureRate(rate, window=window, minimum_calls=minimum)
    limit = draw(st.sampled_from([1.0, 2.0]))
    return SlowCallRate(rate, slower_than=limit, window=window, minimum_calls=minimum)


class Sums:
    """All that was told, by window and bucket, as a fleet adds it up."""

    def __init__(self) -> None:
        self.buckets: dict[tuple[str, float], Counter[int]] = {}
        self.windows: dict[str, tuple[float, int]] = {}

    def add(self, tallies: tuple[BucketDelta, ...]) -> None:
        for tally in tallies:
            self.windows[tally.window] = tally.width, tally.buckets
            counts = self.buckets.setdefault((tally.window, tally.at // tally.width), Counter())
            counts.update(dict(enumerate(tally.kinds)))

    def at(self, now: float) -> dict[str, tuple[int, ...]]:
        """Return the calls by window and kind that are in the windows now."""
        sums = {}
        for name, (width, size) in self.windows.items():
            total: Counter[int] = Counter()
            for (window, index), counts in self.buckets.items():
                if window == name and now // width - size < index:
                    total.update(counts)
            sums[name] = tuple(total[kind] for kind in range(KINDS))
        return sums


# -- the fleet's calls ------------------------------------------------------------------------


def is_fulfilled(rule: FailureRate | SlowCallRate, kinds: tuple[int, ...]) -> bool:
    succeeded, failed, slow, slow_failed, given_up = kinds
    calls, bad = succeeded + failed + slow + slow_failed, failed + slow_failed
    if isinstance(rule, SlowCallRate):
        calls, bad = calls + given_up, slow + slow_failed + given_up
    if calls < rule.minimum_calls:
        return False
    return Fraction(bad, calls) >= Fraction(round(rule.rate * 100), 100)


@given(
    st.lists(rules(), min_size=1, max_size=4),
    st.data(),
)
def test_a_rule_is_fulfilled_by_the_fleets_calls_exactly_as_it_is_written(
    listed: list[FailureRate | SlowCallRate], data: st.DataObject
) -> None:
    meter = Statistics(listed)
    given_calls = {
        book.name: data.draw(st.tuples(*[st.integers(0, 12)] * KINDS)) for book in meter.books
    }
    fulfilled = [
        rule
        for book in meter.books
        for rule in book.rules
        if is_fulfilled(rule, given_calls[book.name])
    ]
    found = meter.judge_fleet(given_calls)
    if not fulfilled:
        assert found is None
    else:
        assert found is not None
        assert found[1] is fulfilled[0]
        assert found[1] in found[0].rules


@pytest.mark.parametrize(
    ("kinds", "opens"),
    [
        ((2, 2, 0, 0, 0), True),
        ((3, 2, 0, 0, 0), False),
        ((1, 2, 0, 0, 0), False),  # too few
        ((0, 3, 0, 0, 9), False),  # given up by callers: no verdict, so no calls of this rule
        ((0, 2, 2, 0, 0), True),
        ((2, 0, 0, 2, 0), True),
        ((0, 0, 0, 0, 0), False),
    ],
)
def test_a_failure_rate_on_the_fleets_calls(kinds: tuple[int, ...], opens: bool) -> None:
    meter = Statistics([FAILING])
    found = meter.judge_fleet({meter.books[0].name: kinds})
    assert (found is not None) is opens


def test_windows_of_others_are_no_matter() -> None:
    meter = Statistics([FAILING])
    assert meter.judge_fleet({}) is None
    assert meter.judge_fleet({"last 1 s, slow over None": (0, 99, 0, 0, 0)}) is None


def test_own_calls_are_not_added_to_what_the_fleet_gives() -> None:
    meter = Statistics([FAILING])
    add(meter, *[FAILURE] * 10)
    assert meter.judge_fleet({meter.books[0].name: (2, 1, 0, 0, 0)}) is None


@given(st.lists(rules(), min_size=1, max_size=3), calls, waits)
def test_the_merged_calls_of_several_are_judged_as_if_one_had_seen_them_all(
    listed: list[FailureRate | SlowCallRate],
    life: list[tuple[int, float, Outcome, float | None, bool]],
    last_wait: float,
) -> None:
    one, several, sums, now = (
        Statistics(listed),
        [Statistics(listed) for _ in range(4)],
        Sums(),
        0.0,
    )
    for who, wait, outcome, seconds, tells in life:
        now += wait
        one.add(now, outcome, seconds)
        several[who].add(now, outcome, seconds)
        if tells:
            sums.add(several[who].tallies(now, always=False))
    now += last_wait
    for meter in several:
        sums.add(meter.tallies(now, always=True))
    merged = sums.at(now)
    alone = [book.judge(book.totals_at(now)) for book in one.books]
    expected = next((rule for rule in alone if rule is not None), None)
    for meter in several:  # whichever of them judges
        found = meter.judge_fleet(merged)
        assert (None if found is None else found[1]) is expected
    for book in one.books:
        assert merged[book.name] == tuple(book.counts.by_kind)


@given(st.lists(rules(), min_size=1, max_size=3), calls)
def test_where_the_merged_rate_is_reached_somebody_is_troubled(
    listed: list[FailureRate | SlowCallRate],
    life: list[tuple[int, float, Outcome, float | None, bool]],
) -> None:
    several, sums, now = [Statistics(listed) for _ in range(4)], Sums(), 0.0
    for who, wait, outcome, seconds, _ in life:
        now += wait
        several[who].add(now, outcome, seconds)
    for meter in several:
        sums.add(meter.tallies(now, always=True))
    if several[0].judge_fleet(sums.at(now)) is not None:
        assert any(meter.judge(now) for meter in several)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TimeWindow(10.0, 10), TimeWindow(10.0, 5)),
        (TimeWindow(10.0, 10), TimeWindow(10.000001, 10)),
    ],
)
def test_windows_that_differ_in_buckets_or_a_little_in_length_are_not_added_up(
    one: TimeWindow, other: TimeWindow
) -> None:
    meter = Statistics([FailureRate(0.5, window=one), FailureRate(0.9, window=other)])
    assert len({book.name for book in meter.books}) == 2


def test_the_calls_of_one_window_do_not_open_by_the_rule_of_another_with_its_name() -> None:
    fine, coarse = TimeWindow(10.0, 10), TimeWindow(10.0, 2)
    rules = [FailureRate(0.9, window=fine), FailureRate(0.5, window=coarse)]
    only_fine, both = Statistics(rules[:1]), Statistics(rules)
    told = {only_fine.books[0].name: (10, 10, 0, 0, 0)}
    assert only_fine.judge_fleet(told) is None
    assert both.judge_fleet(told) is None
