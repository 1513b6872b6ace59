"""What rules, windows and back-offs accept, and how a configuration takes them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.core.rules import Rule

NUMBERS: list[tuple[Any, str, list[Any], list[Any]]] = [
    (ConsecutiveFailures, "threshold", [0, -1, 10**6 + 1], [True, 2.5, "3", None]),
    (CountWindow, "size", [0, -1, 100_001], [True, 10.0, "3", None]),
    (TimeWindow, "seconds", [0, 0.0009, -1.0, math.nan, math.inf, 3601], [True, "3", None]),
    (lambda v: TimeWindow(1.0, v), "buckets", [0, 101], [True, 2.0, None]),
    (FailureRate, "rate", [0, -0.1, 1.01, math.nan], [True, "1", None]),
    (lambda v: FailureRate(0.5, minimum_calls=v), "minimum_calls", [0, -1], [True, 2.0, None]),
    (lambda v: SlowCallRate(v, slower_than=1.0), "rate", [0, 1.01, math.nan], [True, None]),
    (
        lambda v: SlowCallRate(0.5, slower_than=v),
        "slower_than",
        [0, -1, math.nan, math.inf, 86_401],
        [True, "2", None],
    ),
    (lambda v: Backoff(multiplier=v), "multiplier", [0, 0.5, 101, math.nan], [True, "2", None]),
    (lambda v: Backoff(maximum=v), "maximum", [0, -1, 86_401, math.nan], [True, None]),
    (lambda v: Backoff(jitter=v), "jitter", [-0.1, 1, math.nan], [True, "0", None]),
    (lambda v: Backoff(reset_after=v), "reset_after", [0, -1, math.nan], [True, "1"]),
    (
        lambda v: CircuitConfig(half_open_max_duration=v),
        "half_open_max_duration",
        [0, -1],
        [True, "1"],
    ),
    (lambda v: CircuitConfig(ramp_seconds=v), "ramp_seconds", [0, math.nan], [True, "1"]),
    (lambda v: CircuitConfig(history_size=v), "history_size", [0, 10_001], [True, None]),
    (lambda v: CircuitConfig(ramp_shares=v), "ramp_shares", [(), (0.5, 0.1), (0,), (1.5,)], [5]),
    (
        lambda v: CircuitConfig(retry_after_limits=v),
        "retry_after_limits",
        [(1,), (5, 1), (0, 1), (1, 86_401)],
        [5, (True, 2), "12"],
    ),
    (lambda v: CircuitConfig(mode=v), "mode", ["", "off", None, True], []),
    (lambda v: CircuitConfig(backoff=v), "backoff", [], [2.0, True, "x"]),
    (lambda v: CircuitConfig(failure_result=v), "failure_result", [], [5, "x", True]),
    (lambda v: CircuitConfig(trip=v), "trip", [[], ()], [5, "x", [5], [None]]),
]
OUT_OF_RANGE = [(make, name, value) for make, name, values, _ in NUMBERS for value in values]
WRONG_TYPES = [(make, name, value) for make, name, _, values in NUMBERS for value in values]


def ids(cases: list[tuple[Any, str, Any]]) -> list[str]:
    return [f"{at}-{name}-{value}" for at, (_, name, value) in enumerate(cases)]


@pytest.mark.parametrize(("make", "name", "value"), OUT_OF_RANGE, ids=ids(OUT_OF_RANGE))
def test_a_value_out_of_range_is_named(make: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as refusal:
        make(value)
    if name not in {"ramp_shares", "retry_after_limits", "trip"}:  # these name one of the parts
        assert repr(value) in str(refusal.value)


@pytest.mark.parametrize(("make", "name", "value"), WRONG_TYPES, ids=ids(WRONG_TYPES))
def test_a_value_of_the_wrong_type_is_named(make: Any, name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        make(value)


@pytest.mark.parametrize("window", [5, None, "10s", CountWindow])
@pytest.mark.parametrize("kind", [FailureRate, SlowCallRate])
def test_a_window_is_a_window(kind: Any, window: Any) -> None:
    more = {"slower_than": 1.0} if kind is SlowCallRate else {}
    with pytest.raises(TypeError, match="window"):
        kind(0.5, window=window, **more)


@pytest.mark.parametrize("kind", [FailureRate, SlowCallRate])
def test_a_window_of_fewer_calls_than_the_minimum_would_never_open(kind: Any) -> None:
    more = {"slower_than": 1.0} if kind is SlowCallRate else {}
    with pytest.raises(ValueError, match="minimum_calls must be at most the window's 10 calls"):
        kind(0.5, window=CountWindow(10), minimum_calls=11, **more)
    kind(0.5, window=CountWindow(10), minimum_calls=10, **more)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ConsecutiveFailures(5), "5 failures in a row"),
        (
            FailureRate(0.5, window=CountWindow(100), minimum_calls=20),
            "0.5 of the last 100 calls failed, 20 at least",
        ),
        (
            SlowCallRate(0.25, slower_than=2.0, window=TimeWindow(60.0), minimum_calls=5),
            "0.25 of the last 60 s took over 2 s, 5 at least",
        ),
    ],
)
def test_rules_say_what_they_do(rule: Rule, words: str) -> None:
    assert str(rule) == words


def test_a_threshold_is_the_short_form_of_a_run() -> None:
    short = CircuitConfig(failure_threshold=3)
    assert short.rules == (ConsecutiveFailures(3),)
    assert short == CircuitConfig(trip=ConsecutiveFailures(3))
    assert hash(short) == hash(CircuitConfig(trip=[ConsecutiveFailures(3)]))
    assert CircuitConfig() == CircuitConfig(failure_threshold=5)


def test_giving_both_forms_is_an_error() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        CircuitConfig(failure_threshold=5, trip=ConsecutiveFailures(5))


def test_one_rule_or_several_become_a_tuple_and_survive_replacing() -> None:
    rules = [FailureRate(0.5), SlowCallRate(0.3, slower_than=2.0)]
    config = CircuitConfig(trip=rules)
    assert config.rules == tuple(rules)
    other = dataclasses.replace(config, recovery_timeout=5.0)
    assert (other.rules, other.recovery_timeout) == (config.rules, 5.0)
    assert dataclasses.replace(config, trip=None).rules == (ConsecutiveFailures(5),)
