"""Which rule is fulfilled when: against a model that keeps every call."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
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

SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED

RATES = st.integers(1, 100).map(lambda percent: percent / 100)
WINDOWS = st.integers(1, 30).map(CountWindow) | st.sampled_from(
    [TimeWindow(1.0, 4), TimeWindow(8.0, 8), TimeWindow(2.0, 1)]
)
LIMITS = st.sampled_from([1.0, 2.0])
CALLS = st.lists(
    st.tuples(
        st.integers(0, 16).map(lambda steps: steps / 16),
        st.sampled_from([SUCCESS, FAILURE, NOT_COUNTED]),
        st.sampled_from([None, 0.5, 1.0, 1.5, 2.0, 9.0]),
    ),
    max_size=80,
)


@st.composite
def rules(draw: st.DrawFn) -> FailureRate | SlowCallRate:
    window = draw(WINDOWS)
    most = window.size if isinstance(window, CountWindow) else 10
    minimum = draw(st.integers(1, most))
    rate = draw(RATES)
    if draw(st.booleans()):
        return FailureRate(rate, window=window, minimum_calls=minimum)
    return SlowCallRate(rate, slower_than=draw(LIMITS), window=window, minimum_calls=minimum)


class Model:
    """Keeps what each rule has to look at, and works everything out from that."""

    def __init__(self, rule: FailureRate | SlowCallRate, slow_limits: set[float]) -> None:
        self.rule = rule
        # A failure rate that shares its window with a slow rate sees given-up calls pass there.
        self.limits = slow_limits
        self.calls: list[tuple[float, Outcome, bool]] = []

    def add(self, now: float, outcome: Outcome, seconds: float | None) -> bool:
        limit = self.rule.slower_than if isinstance(self.rule, SlowCallRate) else None
        if limit is None and self.limits:
            limit = next(iter(self.limits))
        is_slow = limit is not None and seconds is not None and seconds > limit
        if outcome is NOT_COUNTED and not is_slow:
            return False
        self.calls.append((now, outcome, is_slow))
        window = self.rule.window
        if isinstance(window, CountWindow):
            within = self.calls[-window.size :]
        else:
            width = window.seconds / window.buckets
            within = [
                call for call in self.calls if call[0] // width > now // width - window.buckets
            ]
        if isinstance(self.rule, FailureRate):
            counted = [call for call in within if call[1] is not NOT_COUNTED]
            bad = sum(call[1] is FAILURE for call in counted)
        else:
            counted = within
            bad = sum(call[2] for call in counted)
        if len(counted) < self.rule.minimum_calls:
            return False
        return Fraction(bad, len(counted)) >= Fraction(str(self.rule.rate))


@given(rules(), CALLS)
def test_one_rule_is_fulfilled_exactly_when_its_condition_holds(
    rule: FailureRate | SlowCallRate, calls: list[tuple[float, Outcome, float | None]]
) -> None:
    meter, model = Statistics([rule]), Model(rule, set())
    now = 100.0
    for step, outcome, seconds in calls:
        now += step
        found = meter.add(now, outcome, seconds)
        assert (found is not None) is model.add(now, outcome, seconds)
        if found is not None:
            assert found[1] is rule
            return


@given(st.lists(rules(), min_size=2, max_size=3), CALLS)
def test_any_of_several_rules_is_enough(
    several: list[FailureRate | SlowCallRate],
    calls: list[tuple[float, Outcome, float | None]],
) -> None:
    meter = Statistics(several)
    models = []
    for rule in several:
        book = next(book for book in meter.books if rule in book.rules)
        limits = set() if book.slower_than is None else {book.slower_than}
        models.append(Model(rule, limits))
    now = 100.0
    for step, outcome, seconds in calls:
        now += step
        found = meter.add(now, outcome, seconds)
        expected = [model.rule for model in models if model.add(now, outcome, seconds)]
        assert (found is not None) is bool(expected)
        if found is not None:
            assert found[1] in expected
            return


def feed(meter: Statistics, *outcomes: Outcome) -> list[bool]:
    return [meter.add(0.0, outcome, None) is not None for outcome in outcomes]


def test_a_rate_reached_exactly_is_fulfilled_for_every_percentage() -> None:
    for percent in range(1, 101):
        rule = FailureRate(percent / 100, window=CountWindow(100), minimum_calls=100)
        below, exact = Statistics([rule]), Statistics([rule])
        assert not any(feed(below, *[FAILURE] * (percent - 1), *[SUCCESS] * (101 - percent)))
        assert feed(exact, *[FAILURE] * percent, *[SUCCESS] * (100 - percent))[-1]


def test_a_success_that_makes_the_minimum_full_can_fulfil_a_rule() -> None:
    meter = Statistics([FailureRate(0.5, window=CountWindow(4), minimum_calls=4)])
    assert feed(meter, FAILURE, FAILURE, SUCCESS, SUCCESS) == [False, False, False, True]


def test_slow_calls_that_were_given_up_count_for_the_slow_rate_alone() -> None:
    window = CountWindow(10)
    slow = SlowCallRate(1.0, slower_than=1.0, window=window, minimum_calls=2)
    meter = Statistics([slow, FailureRate(0.5, window=window, minimum_calls=2)])
    assert len(meter.books) == 1
    assert meter.add(0.0, NOT_COUNTED, 5.0) is None
    found = meter.add(0.0, NOT_COUNTED, 5.0)
    assert found is not None
    assert found[1] is slow
    assert found[0].totals() == (0, 0, 2, 2)


def test_a_swift_call_without_a_verdict_is_none() -> None:
    meter = Statistics([SlowCallRate(0.5, slower_than=1.0, window=CountWindow(5), minimum_calls=1)])
    assert meter.add(0.0, NOT_COUNTED, 1.0) is None
    assert meter.books[0].totals() == (0, 0, 0, 0)


def test_rules_share_a_window_where_they_can() -> None:
    window = TimeWindow(10.0)
    shared = Statistics([FailureRate(0.5, window=window), SlowCallRate(0.5, slower_than=1.0)])
    assert len(shared.books) == 1
    apart = Statistics(
        [SlowCallRate(0.5, slower_than=limit, window=window) for limit in (1.0, 2.0)]
        + [FailureRate(0.5, window=window), FailureRate(0.5, window=CountWindow(50))]
    )
    assert len(apart.books) == 3
    assert apart.slow == 1.0


def test_a_run_has_no_window() -> None:
    meter = Statistics([ConsecutiveFailures(5), ConsecutiveFailures(3)])
    assert (meter.run_threshold, meter.books, meter.slow) == (3, [], None)
    assert Statistics([FailureRate(0.5)]).run_threshold == 0


def test_figures_for_pages_leave_out_what_has_left_the_window() -> None:
    meter = Statistics([SlowCallRate(0.9, slower_than=1.0, window=TimeWindow(10.0))])
    assert meter.rates(0.0) == (0, None, None)
    meter.add(0.0, FAILURE, 5.0)
    meter.add(0.0, SUCCESS, 0.1)
    meter.add(0.0, NOT_COUNTED, 5.0)
    assert meter.rates(5.0) == (2, 0.5, 2 / 3)
    assert meter.rates(60.0) == (0, None, None)
    assert Statistics([ConsecutiveFailures(5)]).rates(0.0) == (None, None, None)
