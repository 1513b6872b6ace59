"""A dependency, the shapes in which it can be called under a circuit, and how to break it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fastapi_hybrid_breaker import Circuit, CircuitConfig
from fastapi_hybrid_breaker.testing import ManualClock
from tests.patience import PATIENCE

OPEN_TIME = 10.0
"""Seconds, in all circuits here unless said otherwise."""

CONFIG = CircuitConfig(failure_threshold=2, success_threshold=2, recovery_timeout=OPEN_TIME)
ONE_PROBE = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=OPEN_TIME)
"""One failure opens it, one probe at a time runs, one success closes it."""


class BrokenError(Exception):
    """What the dependency raises."""


async def fine(value: int = 1) -> int:
    return value


async def broken() -> None:
    raise BrokenError


def fine_sync(value: int = 1) -> int:
    return value


def broken_sync() -> None:
    raise BrokenError


def fail(circuit: Circuit) -> None:
    with pytest.raises(BrokenError):
        circuit.call_sync(broken_sync)


def trip(circuit: Circuit) -> None:
    while circuit.state != "OPEN":
        fail(circuit)


def let_probe(circuit: Circuit, clock: ManualClock) -> None:
    """Bring the circuit to where the next call is a probe."""
    trip(circuit)
    clock.advance(circuit.config.recovery_timeout)


async def _in_call(circuit: Circuit, fn: Callable[[], Awaitable[Any]]) -> Any:
    return await circuit.call(fn)


async def _in_execute(circuit: Circuit, fn: Callable[[], Awaitable[Any]]) -> Any:
    return await circuit.execute(fn)


async def _in_decorated(circuit: Circuit, fn: Callable[[], Any]) -> Any:
    async def inner() -> object:
        return await fn()

    return await circuit(inner)()


async def _in_guard(circuit: Circuit, fn: Callable[[], Awaitable[Any]]) -> Any:
    async with circuit.guard():
        return await fn()


Shape = Callable[[Circuit, Callable[[], Any]], Any]

ASYNC_SHAPES: dict[str, Shape] = {
    "call": _in_call,
    "execute": _in_execute,
    "decorator": _in_decorated,
    "guard": _in_guard,
}

each_async_shape = pytest.mark.parametrize("shape", ASYNC_SHAPES.values(), ids=ASYNC_SHAPES)


def _in_sync_guard(circuit: Circuit, fn: Callable[[], Any]) -> Any:
    with circuit.guard():
        return fn()


def _in_sync_decorated(circuit: Circuit, fn: Callable[[], Any]) -> Any:
    def inner() -> object:
        return fn()

    return circuit(inner)()


SYNC_SHAPES: dict[str, Shape] = {
    "call_sync": lambda circuit, fn: circuit.call_sync(fn),
    "decorator": _in_sync_decorated,
    "guard": _in_sync_guard,
}

each_sync_shape = pytest.mark.parametrize("shape", SYNC_SHAPES.values(), ids=SYNC_SHAPES)


def run_in_threads(count: int, work: Callable[[], object]) -> None:
    """Run ``work`` in so many threads that begin together; fail when one is stuck or raises."""
    ready = threading.Barrier(count)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            ready.wait(PATIENCE)
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds; the usual 5 ms hide nearly every race
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    finally:
        sys.setswitchinterval(usual)
    assert not any(thread.is_alive() for thread in threads), "a thread is stuck"
    if errors:
        raise errors[0]


def assert_untouched(circuit: Circuit, is_probe: bool, *, is_asked: bool = True) -> None:
    """Nothing was counted, and a probe's place came back; unless it never was asked for one."""
    probing = "HALF_OPEN" if is_asked else "OPEN"
    assert (circuit.state, circuit.stats().successes) == (probing if is_probe else "CLOSED", 0)
    assert circuit.stats().failures == int(is_probe)
    circuit.call_sync(fine_sync)
    assert circuit.state == "CLOSED"
