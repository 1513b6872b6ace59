"""Exceptions that say that the upstream is well, such as the NotFound of its client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CountWindow,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
)
from tests import inside

from .parts import OPEN_TIME, Shape, each_async_shape, each_sync_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.testing import ManualClock


class ClientError(Exception):
    pass


class NotFoundError(ClientError):
    pass


def is_not_found(error: Exception) -> bool:
    return isinstance(error, NotFoundError)


each_way = pytest.mark.parametrize(
    "named", [(NotFoundError,), NotFoundError, is_not_found], ids=["types", "type", "function"]
)


def make(clock: ManualClock, **settings: Any) -> Circuit:
    defaults = {"success_threshold": 2, "recovery_timeout": OPEN_TIME}
    breaker = HybridBreaker(redis=None, clock=clock)
    return breaker.circuit("k", CircuitConfig(**(defaults | settings)))


def raising(kind: type[Exception]) -> Callable[[], Any]:
    async def fn() -> None:
        raise kind

    return fn


def raising_sync(kind: type[Exception]) -> Callable[[], Any]:
    def fn() -> None:
        raise kind

    return fn


async def meet(circuit: Circuit, shape: Shape, *kinds: type[Exception]) -> None:
    for kind in kinds:
        with pytest.raises(kind):
            await shape(circuit, raising(kind))


@each_way
@each_async_shape
async def test_a_failure_a_minute_among_answers_that_are_exceptions_opens_nothing(
    clock: ManualClock, shape: Shape, named: Any
) -> None:
    circuit = make(clock, success_exceptions=named)
    for _ in range(10):
        await meet(circuit, shape, ConnectionError, *[NotFoundError] * 5)
        assert (circuit.state, circuit.stats().failures) == ("CLOSED", 0)
        clock.advance(60.0)


@each_sync_shape
def test_a_sync_call_that_raises_an_answer_ends_the_run(clock: ManualClock, shape: Shape) -> None:
    circuit = make(clock, success_exceptions=(NotFoundError,))
    for kind in (ConnectionError, NotFoundError):
        with pytest.raises(kind):
            shape(circuit, raising_sync(kind))
    assert circuit.stats().failures == 0


@each_way
@each_async_shape
async def test_answers_that_are_exceptions_are_good_probes(
    clock: ManualClock, shape: Shape, named: Any
) -> None:
    circuit = make(clock, success_exceptions=named)
    inside.open_here(circuit, OPEN_TIME)
    clock.advance(OPEN_TIME)
    await meet(circuit, shape, NotFoundError)
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)
    await meet(circuit, shape, NotFoundError)
    assert circuit.state == "CLOSED"


async def test_a_probe_that_fails_after_a_good_one_still_opens(clock: ManualClock) -> None:
    circuit = make(clock, success_exceptions=(NotFoundError,))
    inside.open_here(circuit, OPEN_TIME)
    clock.advance(OPEN_TIME)
    for kind in (NotFoundError, ClientError):
        with pytest.raises(kind):
            await circuit.call(raising(kind))
    assert circuit.state == "OPEN"


@each_async_shape
async def test_a_rate_counts_answers_that_are_exceptions(clock: ManualClock, shape: Shape) -> None:
    rule = FailureRate(0.5, window=CountWindow(100), minimum_calls=10)
    circuit = make(clock, trip=rule, success_exceptions=(NotFoundError,))
    await meet(circuit, shape, *[NotFoundError] * 45, *[ConnectionError] * 5)
    assert (circuit.stats().calls, circuit.stats().failure_rate) == (50, 0.1)
    assert circuit.state == "CLOSED"


async def test_a_slow_answer_that_is_an_exception_is_a_slow_call(clock: ManualClock) -> None:
    rule = SlowCallRate(0.5, slower_than=1.0, window=CountWindow(10), minimum_calls=4)
    circuit = make(clock, trip=rule, success_exceptions=(NotFoundError,))

    async def slow() -> None:
        clock.advance(2.0)
        raise NotFoundError

    for _ in range(4):
        with pytest.raises(NotFoundError):
            await circuit.call(slow)
    assert circuit.state == "OPEN"


async def test_an_answer_that_passes_two_calls_of_one_circuit_closes_nothing_too_early(
    clock: ManualClock,
) -> None:
    circuit = make(clock, success_exceptions=(NotFoundError,))
    inside.open_here(circuit, OPEN_TIME)
    clock.advance(OPEN_TIME)
    with pytest.raises(NotFoundError):
        await circuit.call(lambda: circuit.call(raising(NotFoundError)))
    assert (circuit.state, circuit.stats().successes) == ("HALF_OPEN", 1)


async def test_a_failure_that_was_counted_is_not_made_good_by_an_answer_beside_it(
    clock: ManualClock,
) -> None:
    circuit = make(clock, failure_threshold=5, success_exceptions=(NotFoundError,))

    async def both() -> None:
        try:
            await circuit.call(raising(ConnectionError))
        except ConnectionError as error:
            raise ExceptionGroup("both", [error, NotFoundError()]) from None

    with pytest.raises(ExceptionGroup):
        await circuit.call(both)
    assert circuit.stats().failures == 1


async def test_a_ramp_takes_answers_that_are_exceptions_as_successes(clock: ManualClock) -> None:
    circuit = make(
        clock,
        failure_threshold=2,
        success_threshold=1,
        ramp_seconds=10.0,
        ramp_shares=(1.0,),
        success_exceptions=(NotFoundError,),
    )
    inside.open_here(circuit, OPEN_TIME)
    clock.advance(OPEN_TIME)
    for kind in (NotFoundError, ConnectionError, NotFoundError, ConnectionError):
        with pytest.raises(kind):
            await circuit.call(raising(kind))
    assert (circuit.state, circuit.stats().failures) == ("CLOSED", 1)
