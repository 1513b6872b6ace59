"""What can be set, and how a bad value is refused: by field, range and value."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.keys import LONGEST_KEY, check_key, check_namespace, is_key

COUNTS = ["failure_threshold", "success_threshold", "half_open_max_calls"]
SECONDS = ["recovery_timeout", "half_open_timeout"]


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 1_000_001, True, 2.0, "5", math.nan])
def test_bad_count_is_refused_by_field_range_and_value(field: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        CircuitConfig(**{field: value})
    assert str(caught.value) == f"{field} must be a whole number from 1 to 1000000, not {value!r}"


@pytest.mark.parametrize("field", SECONDS)
@pytest.mark.parametrize("value", [0, -0.5, 86_401, math.nan, math.inf, True, "5"])
def test_bad_seconds_are_refused_by_field_range_and_value(field: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        CircuitConfig(**{field: value})
    wanted = f"{field} must be a number of seconds above 0 and at most 86400, not {value!r}"
    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failure_exceptions", "ValueError"),
        ("failure_exceptions", [42]),
        ("failure_exceptions", (KeyboardInterrupt,)),
        ("ignored_exceptions", 5),
        ("ignored_exceptions", (int,)),
        ("failure_statuses", "500"),
        ("failure_statuses", [True]),
        ("failure_statuses", [500, 99]),
        ("failure_statuses", 502),
    ],
)
def test_bad_types_and_statuses_are_refused_by_field_and_value(field: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=field) as caught:
        CircuitConfig(**{field: value})
    assert repr(value) in str(caught.value)


def test_lists_and_single_classes_become_what_the_field_promises() -> None:
    config = CircuitConfig(
        failure_exceptions=ValueError,  # type: ignore[arg-type]
        ignored_exceptions=[KeyError],  # type: ignore[arg-type]
        failure_statuses=[418, 503],  # type: ignore[arg-type]
    )
    assert config.failure_exceptions == (ValueError,)
    assert config.ignored_exceptions == (KeyError,)
    assert config.failure_statuses == frozenset({418, 503})
    assert config.is_failing(418)
    assert not config.is_failing(500)


def test_frozen_and_replaced_with_defaults_that_follow() -> None:
    config = CircuitConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.failure_threshold = 1  # type: ignore[misc]
    changed = dataclasses.replace(config, success_threshold=7, recovery_timeout=3)
    assert changed.probe_places == 7
    assert changed.probe_timeout == 3


def test_environment_speaks_where_the_code_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_FAILURE_THRESHOLD", "2")
    monkeypatch.setenv("CIRCUIT_FAILURE_STATUSES", "[418]")
    monkeypatch.setenv("CIRCUIT_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    monkeypatch.setenv("CIRCUIT_MAX_CIRCUITS", "7")
    from_environment = HybridBreaker()
    assert from_environment.circuit("a").config.failure_threshold == 2
    assert from_environment.circuit("a").config.failure_statuses == frozenset({418})
    assert from_environment.registry.most == 7
    assert from_environment.sync._source is not None
    explicit = HybridBreaker(redis=None, defaults=CircuitConfig(), max_circuits=8)
    assert explicit.circuit("a").config.failure_threshold == 5
    assert explicit.registry.most == 8
    assert explicit.sync._source is None


def test_bad_environment_is_an_error_that_shows_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    monkeypatch.setenv("CIRCUIT_FAILURE_THRESHOLD", "0")
    with pytest.raises(ValueError, match="failure_threshold must be a whole number") as caught:
        HybridBreaker()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["a", "stock/{sku}", "ä ö/ü:1", "...", "a.b", "host:8080", "-", "a/-", "x" * LONGEST_KEY]
)
def test_key_that_names_a_circuit(key: str) -> None:
    assert check_key(key) == key
    assert is_key(key)


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "a/../b", "./a", "-/x", "a/-/b", "a\nb", "\x7f", "\ud800", "x" * 257, None, 5],
)
def test_key_that_names_none(key: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="circuit's key must"):
        check_key(key)
    assert not is_key(key)


@pytest.mark.parametrize("namespace", ["", "a{b", "a}b", "a#b", "a b", "a\nb", 5, None])
def test_namespace_that_is_none(namespace: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="namespace must"):
        check_namespace(namespace)
