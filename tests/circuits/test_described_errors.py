"""What openings, log lines and pages tell of the exception that opened a circuit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit

URL = "https://ann:s3cret@host/?key=s3cret"


async def fail() -> None:
    raise RuntimeError(f"no answer from {URL}")


def make(**config: Any) -> tuple[HybridBreaker, Circuit]:
    breaker = HybridBreaker(
        redis=None, defaults=CircuitConfig(failure_threshold=1, recovery_timeout=1e-6, **config)
    )
    return breaker, breaker.circuit("x")


async def open_all_ways(circuit: Circuit) -> None:
    """Open it by a call, a probe, a block, a sync call and a decorated one."""

    def fail_now() -> None:
        raise RuntimeError(f"no answer from {URL}")

    for way in (
        lambda: circuit.call(fail),
        lambda: circuit.execute(fail_now),
        circuit(fail),
    ):
        with pytest.raises(RuntimeError):
            await way()
    with pytest.raises(RuntimeError):
        circuit.call_sync(fail_now)
    with pytest.raises(RuntimeError), circuit.guard():
        fail_now()


async def test_no_secret_of_an_error_is_logged_or_kept(caplog: pytest.LogCaptureFixture) -> None:
    _, circuit = make()
    with caplog.at_level(logging.INFO, "fastapi_hybrid_breaker"):
        await open_all_ways(circuit)
    errors = {one.evidence.error for one in circuit.history() if one.evidence.error}
    assert errors == {"RuntimeError: no answer from https://***@host/?key=***"}
    assert "s3cret" not in caplog.text
    assert all("s3cret" not in str(vars(record)) for record in caplog.records)


async def test_a_function_of_the_user_describes_errors_outside_of_the_lock() -> None:
    seen: list[BaseException] = []

    def describe(error: BaseException) -> str:
        seen.append(error)
        assert circuit.stats().state  # takes the lock, from another thread too
        return circuit.call_sync(lambda: f"number {len(seen)}") if len(seen) == 1 else "later"

    _, circuit = make(describe_error=describe)
    await open_all_ways(circuit)
    assert len(seen) == 5
    told = [one.evidence.error for one in circuit.history() if one.evidence.error]
    assert told == ["number 1", *["later"] * 4]


@pytest.mark.parametrize("how", ["type", lambda _: 1 / 0])
async def test_the_type_alone(how: Any) -> None:
    _, circuit = make(describe_error=how)
    with pytest.raises(RuntimeError):
        await circuit.call(fail)
    assert circuit.history()[-1].evidence.error == "RuntimeError"


def test_the_environment_can_ask_for_the_type_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIRCUIT_DESCRIBE_ERROR", "type")
    assert HybridBreaker(redis=None).circuit("x").config.describe_error == "type"
    monkeypatch.setenv("CIRCUIT_DESCRIBE_ERROR", "repr")
    with pytest.raises(ValueError, match="CIRCUIT_DESCRIBE_ERROR"):
        HybridBreaker(redis=None)


def breaks(_: BaseException) -> bool:
    raise KeyError("the function's own")


def breaks_from_another(error: BaseException) -> bool:
    try:
        return breaks(error)
    except KeyError as inner:
        raise ValueError("the function's own") from inner


def passes_on(error: BaseException) -> bool:
    raise error


def breaks_for_it(error: BaseException) -> bool:
    raise ValueError("the function's own") from error


@pytest.mark.parametrize("predicate", [breaks, breaks_from_another, passes_on, breaks_for_it])
@pytest.mark.parametrize(
    "field", ["failure_exceptions", "success_exceptions", "ignored_exceptions"]
)
async def test_a_function_that_breaks_logs_no_secret_of_the_error_it_was_given(
    predicate: Any, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, circuit = make(**{field: predicate})
    with pytest.raises(RuntimeError) as raised:
        await circuit.call(fail)
    assert f"{field} raised" in caplog.text
    assert "s3cret" not in caplog.text
    assert "s3cret" in str(raised.value)  # as it was
