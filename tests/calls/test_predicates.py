"""Functions of the user's that say what counts as a failure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker

from .parts import (
    OPEN_TIME,
    Shape,
    each_async_shape,
    each_sync_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.testing import ManualClock


class CodedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def is_serious(error: BaseException) -> bool:
    return isinstance(error, CodedError) and error.code >= 500


def is_minor(error: BaseException) -> bool:
    return isinstance(error, CodedError) and error.code < 500


def spoilt(_: Any) -> bool:
    raise ZeroDivisionError


def make(clock: ManualClock, **settings: Any) -> Circuit:
    defaults = {"failure_threshold": 1, "success_threshold": 1, "recovery_timeout": OPEN_TIME}
    breaker = HybridBreaker(redis=None, clock=clock)
    return breaker.circuit("k", CircuitConfig(**(defaults | settings)))


def raising(code: int) -> Callable[[], Any]:
    async def fn() -> None:
        raise CodedError(code)

    return fn


def returning(value: object) -> Callable[[], Any]:
    async def fn() -> object:
        return value

    return fn


@each_async_shape
@pytest.mark.parametrize(
    "settings",
    [{"failure_exceptions": is_serious}, {"ignored_exceptions": is_minor}],
    ids=["failure_exceptions", "ignored_exceptions"],
)
async def test_a_function_tells_failures_from_other_errors(
    clock: ManualClock, shape: Shape, settings: dict[str, Any]
) -> None:
    circuit = make(clock, **settings)
    for _ in range(3):
        with pytest.raises(CodedError):
            await shape(circuit, raising(404))
    assert circuit.state == "CLOSED"
    with pytest.raises(CodedError):
        await shape(circuit, raising(503))
    assert circuit.state == "OPEN"


@each_sync_shape
def test_a_function_tells_failures_of_sync_calls(clock: ManualClock, shape: Shape) -> None:
    circuit = make(clock, failure_exceptions=is_serious)

    def minor() -> None:
        raise CodedError(400)

    def serious() -> None:
        raise CodedError(500)

    with pytest.raises(CodedError):
        shape(circuit, minor)
    assert circuit.state == "CLOSED"
    with pytest.raises(CodedError):
        shape(circuit, serious)
    assert circuit.state == "OPEN"


VALUE_SHAPES: dict[str, Callable[[Circuit, object], Any]] = {
    "call": lambda circuit, value: circuit.call(returning(value)),
    "execute": lambda circuit, value: circuit.execute(returning(value)),
    "execute sync": lambda circuit, value: circuit.execute(lambda: value),
    "decorator": lambda circuit, value: circuit(returning(value))(),
}
SYNC_VALUE_SHAPES: dict[str, Callable[[Circuit, object], Any]] = {
    "call_sync": lambda circuit, value: circuit.call_sync(lambda: value),
    "decorator": lambda circuit, value: circuit(lambda: value)(),
}


@pytest.mark.parametrize("shape", VALUE_SHAPES.values(), ids=VALUE_SHAPES)
async def test_a_returned_value_can_be_a_failure(clock: ManualClock, shape: Any) -> None:
    circuit = make(clock, failure_threshold=2, failure_result=lambda value: value is None)
    for value in (None, 1, None):
        assert await shape(circuit, value) is value
    assert circuit.state == "CLOSED"
    await shape(circuit, None)
    assert circuit.state == "OPEN"
    assert circuit.history()[-1].evidence.error == "the returned value"
    clock.advance(OPEN_TIME)
    assert await shape(circuit, None) is None  # the probe
    assert circuit.state == "OPEN"
    clock.advance(OPEN_TIME)
    assert await shape(circuit, 1) == 1
    assert circuit.state == "CLOSED"


@pytest.mark.parametrize("shape", SYNC_VALUE_SHAPES.values(), ids=SYNC_VALUE_SHAPES)
def test_a_value_of_a_sync_call_can_be_a_failure(clock: ManualClock, shape: Any) -> None:
    circuit = make(clock, failure_result=lambda value: value is None)
    assert shape(circuit, 1) == 1
    assert shape(circuit, None) is None
    assert circuit.state == "OPEN"
    clock.advance(OPEN_TIME)
    assert shape(circuit, None) is None
    assert circuit.state == "OPEN"
    clock.advance(OPEN_TIME)
    assert shape(circuit, 1) == 1
    assert circuit.state == "CLOSED"


@pytest.mark.parametrize("is_probe", [False, True])
@pytest.mark.parametrize(
    "field", ["failure_exceptions", "success_exceptions", "ignored_exceptions", "failure_result"]
)
async def test_a_function_that_raises_makes_no_verdict_and_is_logged(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, field: str, is_probe: bool
) -> None:
    circuit = make(clock, **{field: spoilt})
    if is_probe:
        circuit.open_here(OPEN_TIME)
        clock.advance(OPEN_TIME)
    caplog.clear()
    with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
        for _ in range(2):
            if field == "failure_result":
                assert await circuit.call(returning(5)) == 5
            else:
                with pytest.raises(CodedError):
                    await circuit.call(raising(500))
    assert circuit.state == ("HALF_OPEN" if is_probe else "CLOSED")
    assert circuit.stats().failures == 0
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"circuit k: {field} raised, so the call gives no verdict"] * 2
    assert isinstance(caplog.records[0].exc_info[1].__cause__, ZeroDivisionError)  # type: ignore[index, union-attr]


async def test_no_function_is_asked_about_cancellations_and_rejections(clock: ManualClock) -> None:
    asked: list[BaseException] = []

    def note(error: BaseException) -> bool:
        asked.append(error)
        return False

    circuit = make(clock, ignored_exceptions=note)
    other = make(clock)
    other.open_here(OPEN_TIME)
    with pytest.raises(Exception, match="OPEN"):
        await circuit.call(lambda: other.call(returning(1)))
    assert asked == []
