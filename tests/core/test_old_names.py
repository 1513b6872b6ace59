"""Names of before: they work, warn, and cannot be given beside the new ones."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker

OLD: dict[str, Any] = {"half_open_maximum": 30.0}


def test_the_old_name_of_an_argument_works_and_warns_where_it_is_written() -> None:
    with pytest.warns(DeprecationWarning, match="half_open_maximum is called") as warned:
        config = CircuitConfig(**OLD)
    assert config.half_open_max_duration == 30.0
    assert warned[0].filename == __file__


def test_the_old_name_can_be_read() -> None:
    config: Any = CircuitConfig(half_open_max_duration=7.0)
    with pytest.warns(DeprecationWarning, match="half_open_max_duration now") as warned:
        assert config.half_open_maximum == 7.0
    assert warned[0].filename == __file__


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(TypeError, match="give half_open_max_duration alone"):
        CircuitConfig(half_open_max_duration=1.0, **OLD)


def test_a_bad_value_by_the_old_name_is_refused_by_the_new_one() -> None:
    old: dict[str, Any] = {"half_open_maximum": -1}
    with (
        pytest.warns(DeprecationWarning, match="is called"),
        pytest.raises(ValueError, match=r"half_open_max_duration must be .* not -1"),
    ):
        CircuitConfig(**old)


def test_an_unknown_argument_is_still_an_error() -> None:
    unknown: dict[str, Any] = {"half_open_minimum": 1.0}
    with pytest.raises(TypeError, match="half_open_minimum"):
        CircuitConfig(**unknown)


@pytest.mark.filterwarnings("error")
def test_copies_replacements_and_pickles_are_as_before() -> None:
    config = CircuitConfig(half_open_max_duration=7.0)
    assert replace(config, success_threshold=3).half_open_max_duration == 7.0
    assert replace(config, half_open_max_duration=8.0).half_open_max_duration == 8.0
    assert copy.deepcopy(config) == config
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own
    assert "half_open_maximum" not in repr(config)


def test_the_old_variable_of_the_environment_works_and_warns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIRCUIT_HALF_OPEN_MAXIMUM", "12")
    with pytest.warns(DeprecationWarning, match="half_open_maximum is called"):
        breaker = HybridBreaker(redis=None)
    assert breaker.circuit("k").config.half_open_max_duration == 12.0


@pytest.mark.filterwarnings("error")
def test_the_new_variable_of_the_environment_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_HALF_OPEN_MAX_DURATION", "12")
    assert HybridBreaker(redis=None).circuit("k").config.half_open_max_duration == 12.0
