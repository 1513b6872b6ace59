"""What the environment sets, and what it does not."""

from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.settings import BreakerSettings
from tests import inside

SECRET = "hunter2"  # noqa: S105 - looked for, to be found nowhere
URL = f"redis://app:{SECRET}@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("CIRCUIT_"):
            monkeypatch.delenv(name)


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = BreakerSettings()
    assert settings.circuit_config() == CircuitConfig()
    assert (settings.redis_url, settings.namespace) == (None, "circuit")
    assert inside.registry_of(HybridBreaker()).most == 10_000
    assert HybridBreaker().sync_status().state == "disabled"


def test_every_number_of_the_configuration_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FAILURE_THRESHOLD": "3",
        "SUCCESS_THRESHOLD": "4",
        "RECOVERY_TIMEOUT": "1.5",
        "HALF_OPEN_MAX_CALLS": "6",
        "HALF_OPEN_TIMEOUT": "7",
        "FAILURE_STATUSES": "[503, 418]",
    }.items():
        monkeypatch.setenv(f"CIRCUIT_{name}", value)
    assert HybridBreaker().circuit("k").config == CircuitConfig(
        failure_threshold=3,
        success_threshold=4,
        recovery_timeout=1.5,
        half_open_max_calls=6,
        half_open_timeout=7.0,
        failure_statuses=frozenset({418, 503}),
    )


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "NAMESPACE", "MAX_CIRCUITS", "FAILURE_THRESHOLD"):
        monkeypatch.setenv(f"CIRCUIT_{name}", "")
    assert HybridBreaker().circuit("k").config == CircuitConfig()


def test_explicit_defaults_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_FAILURE_THRESHOLD", "3")
    breaker = HybridBreaker(defaults=CircuitConfig(success_threshold=9))
    assert breaker.circuit("k").config == CircuitConfig(success_threshold=9)


def test_a_declared_circuit_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_FAILURE_THRESHOLD", "3")
    breaker = HybridBreaker(circuits={"k": CircuitConfig()})
    assert breaker.circuit("k").config == CircuitConfig(failure_threshold=5)
    assert breaker.circuit("other").config.failure_threshold == 3


def test_an_explicit_number_of_circuits_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_MAX_CIRCUITS", "7")
    assert inside.registry_of(HybridBreaker()).most == 7
    assert inside.registry_of(HybridBreaker(max_circuits=8)).most == 8


def test_an_explicit_namespace_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_NAMESPACE", "not good")
    with pytest.raises(ValueError, match="namespace"):
        HybridBreaker()
    HybridBreaker(namespace="good")


def test_an_explicit_redis_wins_and_so_does_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", "nonsense://here")
    with pytest.raises(ValueError, match="redis://"):
        HybridBreaker()
    HybridBreaker(redis=None)
    HybridBreaker(redis=URL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FAILURE_THRESHOLD", "0"),
        ("RECOVERY_TIMEOUT", "nan"),
        ("RECOVERY_TIMEOUT", "inf"),
        ("HALF_OPEN_TIMEOUT", "-1"),
        ("FAILURE_STATUSES", "[99]"),
        ("FAILURE_STATUSES", "nonsense"),
        ("MODE", "loud"),
        ("MAX_CIRCUITS", "0"),
        ("NAMESPACE", "not good"),
        ("REDIS_URL", "nonsense://here"),
        ("FAILURE_THRESHOLD", "many"),
        ("FAILURE_THRESHOLD", "2.5"),
        ("FAILURE_THRESHOLD", "true"),
        ("MAX_CIRCUITS", "lots"),
    ],
)
def test_a_bad_variable_is_refused_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CIRCUIT_{name}", value)
    with pytest.raises(ValueError, match=f"CIRCUIT_{name}"):  # pydantic's ValidationError is one
        HybridBreaker()


def test_a_bad_argument_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_MAX_CIRCUITS", "7")
    with pytest.raises(ValueError, match=r"^max_circuits must be"):
        HybridBreaker(max_circuits=0)
    with pytest.raises(ValueError, match=r"^namespace must have"):
        HybridBreaker(namespace="not good")
    with pytest.raises(TypeError, match=r"^max_circuits must be"):
        HybridBreaker(max_circuits=True)


def test_the_password_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", URL)
    shown = [repr(BreakerSettings()), str(BreakerSettings()), repr(HybridBreaker())]
    monkeypatch.setenv("CIRCUIT_FAILURE_THRESHOLD", "many")
    with pytest.raises(ValidationError) as caught:
        HybridBreaker()
    shown += [str(caught.value), repr(caught.value), repr(caught.value.errors())]
    assert [text for text in shown if SECRET in text] == []


def test_the_password_is_not_in_the_error_of_a_wrong_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", URL.replace("redis://", "redsi://"))
    with pytest.raises(ValueError, match="redis") as caught:
        HybridBreaker()
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("QUORUM", "1.0", "write 1 for a single instance"),
        ("QUORUM", "1e0", "write 1 for a single instance"),
        ("QUORUM", "2.0", "a count of instances"),
        ("QUORUM", "1_0", "a count, such as 2"),
        ("QUORUM", "50%", "a share, such as 0.3"),
        ("QUORUM", "all", "a share, such as 0.3"),
        ("QUORUM", "true", "a share, such as 0.3"),
        ("QUORUM", "nan", "a count of instances"),
        ("QUORUM", "-1", "a count of instances"),
        ("QUORUM", "0", "a count of instances"),
        ("QUORUM", "\u0660.\u0665", "a share, such as 0.3"),
        ("MAX_CIRCUITS", "1_000", "a whole number in digits"),
        ("MAX_CIRCUITS", "10.0", "a whole number in digits"),
        ("MAX_CIRCUITS", "+5", "a whole number in digits"),
        ("FAILURE_THRESHOLD", "3.0", "a whole number in digits"),
        ("SUCCESS_THRESHOLD", "0x3", "a whole number in digits"),
        ("HALF_OPEN_MAX_CALLS", "1e1", "a whole number in digits"),
        ("HISTORY_SIZE", "\u0663", "a whole number in digits"),
        ("RECOVERY_TIMEOUT", "1_0", "a number of seconds"),
        ("RECOVERY_TIMEOUT", "inf", "a number of seconds"),
        ("RAMP_SECONDS", "nan", "a number of seconds"),
        ("HALF_OPEN_TIMEOUT", "60s", "a valid number"),
        ("FAILURE_STATUSES", "500,502", "a JSON list"),
        ("FAILURE_STATUSES", "503", "a JSON list"),
        ("FAILURE_STATUSES", "[true]", "a whole number"),
        ("FAILURE_STATUSES", "[503.0]", "a whole number"),
        ("FAILURE_STATUSES", "[42]", "from 100 to 599"),
        ("MODE", "Shadow", "'enforce' or 'shadow'"),
        ("SCOPE", "all", "'fleet' or 'instance'"),
    ],
)
def test_a_variable_silently_became_another_value_than_was_written(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"CIRCUIT_{name}", value)
    with pytest.raises(ValueError, match=said) as caught:
        HybridBreaker()
    assert f"CIRCUIT_{name}" in str(caught.value)


def test_a_number_may_stand_between_spaces_as_files_of_secrets_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("QUORUM", "0.3\n"), ("MAX_CIRCUITS", " 7 "), ("RAMP_SECONDS", "5\n")):
        monkeypatch.setenv(f"CIRCUIT_{name}", value)
    config = HybridBreaker().circuit("k").config
    assert (config.quorum, config.ramp_seconds) == (0.3, 5.0)
