"""Checked, never run: guarding keeps types, and what cannot work is refused.

Each ``type: ignore`` here is an expected error: where the checker finds none, it complains.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, assert_type

import httpx
import httpx2

from fastapi_hybrid_breaker import (
    Backoff,
    Circuit,
    CircuitConfig,
    CircuitState,
    CircuitStats,
    ConsecutiveFailures,
    CountWindow,
    FailureRate,
    HybridBreaker,
    StateChange,
)
from fastapi_hybrid_breaker.testing import open_circuit


class Stock:
    sku: str


async def fetch(sku: str, *, fresh: bool = False) -> Stock:
    raise NotImplementedError


def load(sku: str, amount: int = 1) -> Stock:
    raise NotImplementedError


class Service:
    async def fetch(self, sku: str) -> Stock:
        raise NotImplementedError

    def load(self, sku: str) -> list[Stock]:
        raise NotImplementedError


async def calls(circuit: Circuit, service: Service) -> None:
    assert_type(await circuit.call(fetch, "a"), Stock)
    assert_type(await circuit.call(fetch, "a", fresh=True), Stock)
    assert_type(await circuit.call(service.fetch, "a"), Stock)
    assert_type(await circuit.call(partial(fetch, "a")), Stock)
    assert_type(circuit.call_sync(load, "a", amount=2), Stock)
    assert_type(circuit.call_sync(service.load, "a"), list[Stock])

    await circuit.call(fetch)  # type: ignore[call-arg]
    await circuit.call(fetch, 7)  # type: ignore[arg-type]
    await circuit.call(fetch, "a", stale=True)  # type: ignore[call-arg]
    await circuit.call(load, "a")  # type: ignore[arg-type]
    await circuit.call(fetch("a"))  # type: ignore[arg-type]
    circuit.call_sync(load)  # type: ignore[call-arg]
    circuit.call_sync(load, "a", "b")  # type: ignore[arg-type]
    circuit.call_sync(load("a"))  # type: ignore[arg-type]


async def executed(breaker: HybridBreaker, circuit: Circuit) -> None:
    assert_type(await circuit.execute(fetch, "a"), Stock)
    assert_type(await circuit.execute(load, "a"), Stock)
    assert_type(await breaker.execute("key", fetch, "a", fresh=True), Stock)
    assert_type(await breaker.execute("key", load, "a", amount=2), Stock)

    await circuit.execute(fetch, 7)  # type: ignore[call-overload]
    await breaker.execute("key", load, amount="b")  # type: ignore[call-overload]


async def decorated(breaker: HybridBreaker, circuit: Circuit) -> None:
    guarded = circuit(fetch)
    assert_type(await guarded("a", fresh=True), Stock)
    await guarded("a", stale=True)  # type: ignore[call-arg]
    await guarded(7)  # type: ignore[arg-type]

    loaded = circuit(load)
    assert_type(loaded("a", amount=2), Stock)
    loaded()  # type: ignore[call-arg]
    loaded("a", amount="b")  # type: ignore[arg-type]

    @breaker.circuit("key")
    async def answer(question: str) -> int:
        return len(question)

    assert_type(await answer("?"), int)
    takes_a_coroutine_function(answer)
    takes_a_coroutine_function(breaker.circuit("key")(load))  # type: ignore[arg-type]

    @breaker.circuit("key")
    def ask() -> None: ...

    assert_type(ask, Callable[[], None])


def takes_a_coroutine_function(fn: Callable[[str], Coroutine[Any, Any, object]]) -> None: ...


class Guarded:
    breaker = HybridBreaker(redis=None)

    @breaker.circuit("key")
    async def fetch(self, sku: str) -> Stock:
        raise NotImplementedError

    @breaker.circuit("key")
    def load(self, sku: str) -> Stock:
        raise NotImplementedError


async def methods(guarded: Guarded) -> None:
    assert_type(await guarded.fetch("a"), Stock)
    assert_type(guarded.load("a"), Stock)
    await guarded.fetch(7)  # type: ignore[arg-type]


async def blocks(breaker: HybridBreaker, circuit: Circuit) -> None:
    with circuit.guard():
        value = len("a")
    assert_type(value, int)  # the block swallows no exception, so what it binds is bound
    async with circuit.guard():
        other = str(value)
    assert_type(other, str)
    with open_circuit(breaker, "key") as opened:
        assert_type(opened, Circuit)


def transports(breaker: HybridBreaker) -> None:
    inner = httpx.AsyncHTTPTransport()
    assert_type(breaker.transport(inner), httpx.AsyncHTTPTransport)
    assert_type(breaker.transport(httpx2.HTTPTransport(), "key"), httpx2.HTTPTransport)
    httpx.AsyncClient(transport=breaker.transport(inner, circuit="key"))
    httpx2.Client(transport=breaker.transport(httpx2.HTTPTransport(), lambda r: str(r.url.host)))
    httpx.Client(transport=breaker.transport(inner))  # type: ignore[arg-type]
    httpx.AsyncClient(transport=breaker.transport(httpx2.AsyncHTTPTransport()))  # type: ignore[arg-type]
    breaker.transport(inner, circuit=7)  # type: ignore[arg-type]


def looked_at(breaker: HybridBreaker) -> None:
    circuit = breaker.circuit("key")
    assert_type(circuit, Circuit)
    assert_type(circuit.state, CircuitState)
    assert_type(circuit.stats(), CircuitStats)
    assert_type(circuit.stats().next_attempt, float | None)
    assert_type(breaker.state("key"), CircuitState)
    circuit.stats().failures = 0  # type: ignore[misc]
    circuit.config.failure_threshold = 1  # type: ignore[misc]


async def configured(circuit: Circuit) -> None:
    rules = [FailureRate(0.5, window=CountWindow(10), minimum_calls=5), ConsecutiveFailures(5)]
    CircuitConfig(trip=rules, backoff=Backoff(multiplier=3))
    CircuitConfig(trip=rules[0], failure_exceptions=lambda error: "busy" in str(error))
    CircuitConfig(failure_result=lambda value: value is None, mode="shadow")
    CircuitConfig(mode="off")  # type: ignore[arg-type]
    CircuitConfig(trip=5)  # type: ignore[arg-type]
    assert_type(circuit.history(), tuple[StateChange, ...])
    await circuit.override("disabled", by="ann", reason="x", seconds=None)
    await circuit.override("disabled", by="ann", reason="x")  # type: ignore[call-arg]
