"""Functions of the user's that say what counts as a failure."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker
from tests import inside

from .parts import (
    OPEN_TIME,
    Shape,
    each_async_shape,
    each_sync_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
async def test_a_function_that_raises_is_logged_once_a_minute_and_the_call_is_not_counted(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, field: str, is_probe: bool
) -> None:
    circuit = make(clock, **{field: spoilt})
    if is_probe:
        inside.open_here(circuit, OPEN_TIME)
        clock.advance(OPEN_TIME)
    caplog.clear()
    with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
        for _ in range(100):
            if field == "failure_result":
                assert await circuit.call(returning(5)) == 5
            else:
                with pytest.raises(CodedError):
                    await circuit.call(raising(500))
    assert circuit.state == ("HALF_OPEN" if is_probe else "CLOSED")
    assert circuit.stats().failures == 0
    text = f"circuit k: {field} raised, so the call is not counted"
    assert lines(caplog) == [f"{text} (1 since the last such line)"]
    assert isinstance(caplog.records[0].exc_info[1].__cause__, ZeroDivisionError)  # type: ignore[index, union-attr]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]


async def test_a_function_that_goes_on_raising_is_logged_again_after_a_minute(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    circuit = make(clock, failure_result=spoilt)
    for wait in (59.9, 0.1, 30.0, 30.0):
        await circuit.call(returning(5))
        await circuit.call(returning(5))
        clock.advance(wait)
    counts = [line.partition("(")[2].partition(" ")[0] for line in lines(caplog)]
    assert counts == ["1", "4"]


async def test_each_function_and_each_circuit_has_a_line_of_its_own(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    breaker = HybridBreaker(redis=None, clock=clock)
    config = CircuitConfig(failure_exceptions=spoilt, failure_result=spoilt)
    for key in ("a", "b"):
        for _ in range(3):
            await breaker.circuit(key, config).call(returning(5))
            with pytest.raises(CodedError):
                await breaker.circuit(key, config).call(raising(500))
    assert [line.partition(" raised")[0] for line in lines(caplog)] == [
        "circuit a: failure_result",
        "circuit a: failure_exceptions",
        "circuit b: failure_result",
        "circuit b: failure_exceptions",
    ]


class Handler(logging.Handler):
    """Handles records by a function."""

    def __init__(self, handle: Callable[[], object]) -> None:
        super().__init__(logging.ERROR)
        self._handle = handle

    def emit(self, record: logging.LogRecord) -> None:
        del record
        self._handle()

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)  # as a handler that does not care for the rules of emit
        return True


@pytest.fixture
def handlers() -> Iterator[Callable[[Callable[[], object]], None]]:
    logger, added = logging.getLogger("fastapi_hybrid_breaker"), []

    def add(handle: Callable[[], object]) -> None:
        added.append(Handler(handle))
        logger.addHandler(added[-1])

    yield add
    for handler in added:
        logger.removeHandler(handler)


async def test_a_logging_handler_that_raises_takes_no_probe_with_it(
    clock: ManualClock, handlers: Callable[[Callable[[], object]], None]
) -> None:
    circuit = make(clock, failure_exceptions=spoilt)
    inside.open_here(circuit, OPEN_TIME)
    clock.advance(OPEN_TIME)
    handlers(lambda: spoilt(None))
    with pytest.raises(CodedError):
        await circuit.call(raising(500))
    assert await circuit.call(returning(5)) == 5  # the place was given back
    assert circuit.state == "CLOSED"


def test_a_logging_handler_that_makes_such_a_call_itself_does_not_run_for_ever(
    clock: ManualClock, handlers: Callable[[Callable[[], object]], None]
) -> None:
    circuit = make(clock, failure_result=spoilt)
    calls = []

    def ship() -> None:
        calls.append(circuit.call_sync(lambda: 5))

    handlers(ship)
    assert circuit.call_sync(lambda: 5) == 5
    assert calls == [5]


async def test_no_function_is_asked_about_cancellations_and_rejections(clock: ManualClock) -> None:
    asked: list[BaseException] = []

    def note(error: BaseException) -> bool:
        asked.append(error)
        return False

    circuit = make(clock, ignored_exceptions=note)
    other = make(clock)
    inside.open_here(other, OPEN_TIME)
    with pytest.raises(Exception, match="OPEN"):
        await circuit.call(lambda: other.call(returning(1)))
    assert asked == []
