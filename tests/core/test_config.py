"""``CircuitConfig`` refuses what it cannot use, and says which field, which range, which value."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import pickle
from typing import Any

import pytest

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.rules import ConsecutiveFailures

COUNTS = ["failure_threshold", "success_threshold", "half_open_max_calls"]
SECONDS = ["recovery_timeout", "half_open_timeout"]
COUNT_RANGE = "a whole number from 1 to 1000000"
SECONDS_RANGE = "a number of seconds above 0 and at most 86400"


def refused(error: type[Exception], field: str, value: object) -> str:
    settings: dict[str, Any] = {field: value}
    with pytest.raises(error) as caught:
        CircuitConfig(**settings)
    return str(caught.value)


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 1_000_001, 10**400])
def test_a_count_out_of_range(field: str, value: int) -> None:
    assert refused(ValueError, field, value) == f"{field} must be {COUNT_RANGE}, not {value!r}"


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [True, False, 2.0, math.nan, "3", [3], object])
def test_a_count_that_is_no_whole_number(field: str, value: object) -> None:
    assert refused(TypeError, field, value) == f"{field} must be {COUNT_RANGE}, not {value!r}"


@pytest.mark.parametrize("field", SECONDS)
@pytest.mark.parametrize(
    "value", [0, 0.0, -0.0, -1.5, math.nan, math.inf, -math.inf, DAY + 1, 10**400]
)
def test_seconds_out_of_range(field: str, value: float) -> None:
    assert refused(ValueError, field, value) == f"{field} must be {SECONDS_RANGE}, not {value!r}"


@pytest.mark.parametrize("field", SECONDS)
@pytest.mark.parametrize("value", [True, False, "60", 1j, [60]])
def test_seconds_that_are_no_number(field: str, value: object) -> None:
    assert refused(TypeError, field, value) == f"{field} must be {SECONDS_RANGE}, not {value!r}"


@pytest.mark.parametrize("field", ["success_threshold", "recovery_timeout", "history_size"])
def test_none_where_a_number_is_needed(field: str) -> None:
    assert field in refused(TypeError, field, None)


@pytest.mark.parametrize(
    ("field", "base"),
    [
        ("failure_exceptions", "Exception"),
        ("success_exceptions", "Exception"),
        ("ignored_exceptions", "BaseException"),
    ],
)
@pytest.mark.parametrize("value", [None, 5, "ValueError", int, (ValueError, "x"), (ValueError(),)])
def test_exceptions_that_are_none(field: str, base: str, value: object) -> None:
    wanted = f"{field} must be subclasses of {base} or a function, not {value!r}"
    assert refused(TypeError, field, value) == wanted


@pytest.mark.parametrize("field", ["failure_exceptions", "success_exceptions"])
def test_cancellation_cannot_be_made_a_failure_or_a_success(field: str) -> None:
    wanted = "must be subclasses of Exception"
    assert wanted in refused(TypeError, field, (asyncio.CancelledError,))


@pytest.mark.parametrize(
    ("settings", "loser", "kind", "winner"),
    [
        ({"success": OSError, "ignored": OSError}, "success", "OSError", "ignored"),
        ({"success": ConnectionError, "ignored": OSError}, "success", "ConnectionError", "ignored"),
        ({"failure": OSError, "success": OSError}, "failure", "OSError", "success"),
        ({"failure": ConnectionError, "success": OSError}, "failure", "ConnectionError", "success"),
        ({"success": Exception}, "failure", "Exception", "success"),
    ],
)  # fmt: skip
def test_a_class_that_would_never_count_is_refused(
    settings: dict[str, Any], loser: str, kind: str, winner: str
) -> None:
    with pytest.raises(ValueError, match="would never count") as caught:
        CircuitConfig(**{f"{name}_exceptions": (one,) for name, one in settings.items()})
    assert str(caught.value) == (
        f"{loser}_exceptions must not name {kind}: {winner}_exceptions has it or a base of it,"
        " and wins, so that it would never count"
    )


def test_a_class_that_is_an_exception_to_its_base_is_not_refused() -> None:
    CircuitConfig(success_exceptions=(OSError,), ignored_exceptions=(ConnectionError,))
    CircuitConfig(failure_exceptions=(OSError,), success_exceptions=(ConnectionError,))
    CircuitConfig(success_exceptions=(OSError,), ignored_exceptions=lambda _: True)
    CircuitConfig(failure_exceptions=(), success_exceptions=(Exception,))


def test_one_exception_class_or_a_list_of_them_becomes_a_tuple() -> None:
    listed: Any = [OSError, KeyError]
    single: Any = ValueError
    config = CircuitConfig(failure_exceptions=listed, ignored_exceptions=single)
    assert config.failure_exceptions == (OSError, KeyError)
    assert config.ignored_exceptions == (ValueError,)


@pytest.mark.parametrize("value", [500, "501", b"502", [500.0], [True], ["500"], [None]])
def test_statuses_that_are_none(value: object) -> None:
    wanted = f"failure_statuses must be HTTP statuses from 100 to 599, not {value!r}"
    assert refused(TypeError, "failure_statuses", value) == wanted


@pytest.mark.parametrize("status", [0, -1, 99, 600])
def test_statuses_out_of_range(status: int) -> None:
    wanted = f"failure_statuses must be HTTP statuses from 100 to 599, not {[500, status]!r}"
    assert refused(ValueError, "failure_statuses", [500, status]) == wanted


def test_statuses_given_as_a_list_replace_the_default_ones() -> None:
    listed: Any = [418, 503]
    config = CircuitConfig(failure_statuses=listed)
    assert config.failure_statuses == frozenset({418, 503})
    failing = [status for status in range(100, 600) if config.is_failing(status)]
    assert failing == [418, 503]
    assert not config.is_failing(429, also=frozenset({429}))


def test_failing_statuses_are_500_and_above_unless_said_otherwise() -> None:
    config = CircuitConfig()
    assert [s for s in (200, 399, 404, 429, 499, 500, 503, 599) if config.is_failing(s)] == [
        500,
        503,
        599,
    ]
    assert config.is_failing(429, also=frozenset({429}))


def test_the_ends_of_the_ranges_are_within() -> None:
    CircuitConfig(failure_threshold=1, success_threshold=1_000_000, half_open_max_calls=1)
    CircuitConfig(recovery_timeout=DAY, half_open_timeout=5e-324)
    CircuitConfig(recovery_timeout=1)


def test_defaults() -> None:
    config = CircuitConfig()
    assert (config.rules, config.success_threshold) == ((ConsecutiveFailures(5),), 2)
    assert (config.recovery_timeout, config.probe_timeout, config.probe_places) == (60.0, 60.0, 2)
    assert config.failure_exceptions == (Exception,)


def test_probe_settings_follow_the_others_unless_given() -> None:
    follows = CircuitConfig(success_threshold=7, recovery_timeout=3.0)
    assert (follows.probe_places, follows.probe_timeout) == (7, 3.0)
    given = CircuitConfig(half_open_max_calls=1, half_open_timeout=0.5)
    assert (given.probe_places, given.probe_timeout) == (1, 0.5)


def test_is_frozen() -> None:
    config = CircuitConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.failure_threshold = 9  # type: ignore[misc]


def test_replace_makes_another_and_checks_it() -> None:
    config = CircuitConfig(ignored_exceptions=(KeyError,))
    other = dataclasses.replace(config, failure_threshold=9)
    assert (other.failure_threshold, other.ignored_exceptions) == (9, (KeyError,))
    with pytest.raises(ValueError, match="failure_threshold"):
        dataclasses.replace(config, failure_threshold=0)


def test_equal_settings_are_equal_hash_alike_and_survive_pickling() -> None:
    config = CircuitConfig(failure_statuses=frozenset({500}))
    assert config == pickle.loads(pickle.dumps(config))  # noqa: S301 - our own bytes
    assert hash(config) == hash(CircuitConfig(failure_statuses=frozenset({500})))
    assert config != CircuitConfig()


def test_takes_keywords_only() -> None:
    with pytest.raises(TypeError):
        CircuitConfig(3)  # type: ignore[call-arg]
