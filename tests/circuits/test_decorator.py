"""``@circuit``: what it decorates, what it keeps, what it refuses."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import BrokenError, broken, broken_sync, fine, fine_sync, let_probe, trip


def decorated(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    return circuit(fn)


def test_keeps_name_doc_signature_and_annotations(circuit: Circuit) -> None:
    def price(sku: str, /, *, currency: str = "EUR") -> float:
        """Return a price."""
        return len(sku + currency)

    guarded = circuit(price)
    assert inspect.signature(guarded) == inspect.signature(price)
    assert (guarded.__name__, guarded.__doc__) == ("price", "Return a price.")
    assert guarded.__annotations__ == price.__annotations__
    assert guarded("ab", currency="USD") == 5


def test_keeps_the_sync_or_async_nature(circuit: Circuit) -> None:
    assert inspect.iscoroutinefunction(circuit(fine))
    assert not inspect.iscoroutinefunction(circuit(fine_sync))


async def test_guards_every_call(circuit: Circuit) -> None:
    guarded, guarded_sync = circuit(broken), circuit(broken_sync)
    with pytest.raises(BrokenError):
        await guarded()
    with pytest.raises(BrokenError):
        guarded_sync()
    with pytest.raises(CircuitOpenError):
        await guarded()
    with pytest.raises(CircuitOpenError):
        guarded_sync()


@pytest.mark.parametrize("depth", [1, 2])
async def test_sees_through_partials(circuit: Circuit, depth: int) -> None:
    fn: Any = fine
    for _ in range(depth):
        fn = functools.partial(fn, value=5)
        fn.note = "keeps the next partial from being merged with this one"
    guarded = decorated(circuit, fn)
    assert inspect.iscoroutinefunction(guarded)
    assert await guarded() == 5
    trip(circuit)
    with pytest.raises(CircuitOpenError):
        await guarded()


def test_a_partial_of_a_sync_function_stays_sync(circuit: Circuit) -> None:
    assert decorated(circuit, functools.partial(fine_sync, 6))() == 6


class Awaitable:
    async def __call__(self, value: int = 3) -> int:
        return value


class Called:
    def __call__(self, value: int = 3) -> int:
        return value


async def test_objects_that_are_called_keep_their_nature(circuit: Circuit) -> None:
    guarded, guarded_sync = decorated(circuit, Awaitable()), decorated(circuit, Called())
    assert inspect.iscoroutinefunction(guarded)
    assert (await guarded(4), guarded_sync(5)) == (4, 5)
    assert str(inspect.signature(guarded)) == "(value: 'int' = 3) -> 'int'"
    trip(circuit)
    with pytest.raises(CircuitOpenError):
        await guarded()


async def test_methods_get_their_instance(breaker: HybridBreaker, circuit: Circuit) -> None:
    class Client:
        def __init__(self, base: int) -> None:
            self.base = base

        @circuit
        async def get(self, value: int) -> int:
            return self.base + value

        @circuit
        def get_sync(self, value: int) -> int:
            return self.base + value

        @staticmethod
        @circuit
        async def static(value: int) -> int:
            return value

        @classmethod
        @circuit
        async def of_class(cls, value: int) -> str:
            return f"{cls.__name__}{value}"

    client = Client(10)
    assert (await client.get(1), client.get_sync(2)) == (11, 12)
    assert (await client.static(3), await Client.of_class(4)) == (3, "Client4")
    assert await decorated(circuit, client.get)(5) == 15  # a bound method
    trip(circuit)
    for call in (client.get(1), client.static(1), Client.of_class(1)):
        with pytest.raises(CircuitOpenError):
            await call


def test_a_static_or_class_method_beneath_it_is_refused(circuit: Circuit) -> None:
    """Called on an instance, the result would be given the instance as well."""
    kinds: list[Any] = [staticmethod, classmethod]
    for kind in kinds:
        with pytest.raises(TypeError, match=f"write @{kind.__name__} above it"):
            decorated(circuit, kind(fine))


async def test_an_async_mock_is_asynchronous(circuit: Circuit) -> None:
    guarded = decorated(circuit, AsyncMock(return_value=8))
    assert await guarded() == 8


def generate() -> Iterator[int]:
    yield 1


async def agenerate() -> AsyncIterator[int]:
    yield 1


class Generates:
    def __call__(self) -> Iterator[int]:
        yield 1


class AsyncGenerates:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


@pytest.mark.parametrize(
    "fn",
    [
        generate,
        agenerate,
        functools.partial(generate),
        functools.partial(functools.partial(agenerate)),
        Generates(),
        AsyncGenerates(),
        Generates().__call__,
    ],
    ids=range(7),
)
def test_generator_functions_are_refused(circuit: Circuit, fn: Any) -> None:
    with pytest.raises(TypeError, match=r"generator function.*circuit\.guard\(\)"):
        circuit(fn)


@pytest.mark.parametrize("fn", [42, "fine", None])
def test_what_cannot_be_called_is_refused(circuit: Circuit, fn: Any) -> None:
    with pytest.raises(TypeError, match="decorates functions"):
        circuit(fn)


async def test_a_sync_wrapper_of_an_async_function_is_misuse_and_no_success(
    circuit: Circuit,
) -> None:
    @functools.wraps(fine)
    def wrapper() -> Any:
        return fine()

    for _ in range(3):
        with pytest.raises(TypeError, match="is async: await call"):
            decorated(circuit, wrapper)()
    assert circuit.stats().failures == 0


async def test_one_function_can_be_guarded_by_two_circuits(
    breaker: HybridBreaker, clock: ManualClock
) -> None:
    inner, outer = breaker.circuit("inner"), breaker.circuit("outer")
    guarded = outer(inner(broken))
    for _ in range(2):
        with pytest.raises(BrokenError):
            await guarded()
    assert (inner.state, outer.state) == ("OPEN", "OPEN")
    await outer.reset()
    with pytest.raises(CircuitOpenError) as caught:
        await guarded()
    assert caught.value.key == "inner"
    assert outer.stats().failures == 0


async def test_a_decorated_function_keeps_its_circuit_known(clock: ManualClock) -> None:
    breaker = HybridBreaker(redis=None, max_circuits=2, clock=clock)
    guarded = breaker.circuit("held")(fine)
    trip(breaker.circuit("held"))
    for number in range(20):
        breaker.circuit(f"k{number}")
    with pytest.raises(CircuitOpenError):
        await guarded()


async def test_probes_go_through_a_decorated_function(circuit: Circuit, clock: ManualClock) -> None:
    guarded = circuit(fine)
    let_probe(circuit, clock)
    assert [await guarded(value=2) for _ in range(2)] == [2, 2]
    assert circuit.state == "CLOSED"


@pytest.mark.filterwarnings("error")
def test_a_coroutine_in_place_of_its_function_is_refused_and_closed(circuit: Circuit) -> None:
    coroutine: Any = fine()
    with pytest.raises(TypeError, match="a circuit decorates functions, not <coroutine"):
        circuit(coroutine)
    assert inspect.getcoroutinestate(coroutine) == "CORO_CLOSED"
