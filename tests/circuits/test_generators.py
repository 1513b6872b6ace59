"""Generator functions: refused where calling one would run nothing yet."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import ONE_PROBE, BrokenError, assert_untouched, let_probe

while_closed_and_probing = pytest.mark.parametrize("is_probe", [False, True])


@pytest.fixture
def circuit(breaker: HybridBreaker, clock: ManualClock, is_probe: bool) -> Circuit:
    circuit = breaker.circuit("one", ONE_PROBE)
    if is_probe:
        let_probe(circuit, clock)
    return circuit


def read() -> Iterator[bytes]:
    raise BrokenError
    yield b""


async def read_async() -> AsyncIterator[bytes]:
    raise BrokenError
    yield b""


@contextlib.contextmanager
def opened() -> Iterator[None]:
    raise BrokenError
    yield


@contextlib.asynccontextmanager
async def opened_async() -> AsyncIterator[None]:
    raise BrokenError
    yield


class Reader:
    def read(self) -> Iterator[bytes]:
        yield from read()

    def __call__(self) -> Iterator[bytes]:
        yield from read()


@functools.wraps(read)
def logged() -> Iterator[bytes]:
    return read()


GENERATORS = {
    "generator": read,
    "async generator": read_async,
    "method": Reader().read,
    "object": Reader(),
    "partial": functools.partial(read),
    "contextmanager": opened,
    "asynccontextmanager": opened_async,
    "wrapped": logged,
}


@while_closed_and_probing
@pytest.mark.parametrize("fn", GENERATORS.values(), ids=GENERATORS)
@pytest.mark.parametrize("shape", ["execute", "call_sync"])
async def test_a_generator_function_is_no_success_before_anything_has_run(
    circuit: Circuit, is_probe: bool, shape: str, fn: Any
) -> None:
    with pytest.raises(TypeError, match=r"guard the body with 'with circuit.guard\(\):'"):
        await getattr(circuit, shape)(fn)
    assert_untouched(circuit, is_probe)


@pytest.mark.parametrize("is_probe", [False])
@pytest.mark.parametrize("fn", GENERATORS.values(), ids=GENERATORS)
def test_no_generator_function_can_be_decorated(circuit: Circuit, fn: Any) -> None:
    with pytest.raises(TypeError, match=r"guard the body with 'with circuit.guard\(\):'"):
        circuit(fn)


@pytest.mark.parametrize("is_probe", [False])
async def test_a_function_that_did_its_work_may_return_a_generator(circuit: Circuit) -> None:
    def fetch() -> Iterator[bytes]:
        return (chunk for chunk in (b"a", b"b"))

    assert list(circuit.call_sync(fetch)) == [b"a", b"b"]
    assert list(await circuit.execute(fetch)) == [b"a", b"b"]


@pytest.mark.parametrize("is_probe", [False])
async def test_an_async_function_that_collects_what_a_generator_yields_can_be_guarded(
    circuit: Circuit,
) -> None:
    @functools.wraps(read_async)
    async def collect() -> list[bytes]:
        return [b"a"]

    assert await circuit(collect)() == [b"a"]
