"""Few series, however many keys there are."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from opentelemetry.sdk.metrics import MeterProvider

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker, circuit
from fastapi_hybrid_breaker.telemetry import instrument

from .collected import Collected, labelled_by

Collect = Callable[[], Collected]
Make = Callable[..., HybridBreaker]

DECLARED = {"stock": CircuitConfig(), "host:*": CircuitConfig(), "*.shop:443": CircuitConfig()}


@pytest.fixture
def make(provider: MeterProvider) -> Iterator[Make]:
    undo: list[Any] = []

    def make(options: dict[str, Any] | None = None, **about: Any) -> HybridBreaker:
        breaker = HybridBreaker(redis=None, **{"circuits": DECLARED, **about})
        undo.append(instrument(breaker, meter_provider=provider, **(options or {})))
        return breaker

    yield make
    for end in undo:
        end()


def call(breaker: HybridBreaker, *keys: str) -> None:
    for key in keys:
        breaker.circuit(key).call_sync(int)


def test_keys_made_at_run_time_share_their_patterns_series(make: Make, collect: Collect) -> None:
    breaker = make()
    call(breaker, "stock", *(f"host:{n}" for n in range(50)), "api.shop:443", "user:1", "user:2")
    found = collect()
    assert found.keys("calls") == {"stock", "host:*", "*.shop:443", "other"}
    assert found.value("calls", key="host:*") == 50
    assert found.value("calls", key="other") == 2
    assert found.keys("state") == {"stock", "host:*", "*.shop:443", "other"}
    assert found.value("state", key="host:*", state="closed") == 50


def test_the_key_of_a_routes_guard_is_its_label_and_a_callables_is_not(
    make: Make, collect: Collect
) -> None:
    breaker = make()
    app = FastAPI()
    breaker.install(app)

    def by_tenant(request: Request) -> str:
        return f"tenant {request.path_params['name']}"

    # Both are looked up by the guard, which holds them, for as long as the routes live.
    @app.get("/fixed", dependencies=[Depends(circuit("search"))])
    async def fixed() -> None: ...

    @app.get("/of/{name}", dependencies=[Depends(circuit(by_tenant))])  # type: ignore[arg-type]
    async def tenant(name: str) -> None: ...

    client = TestClient(app)
    client.get("/fixed")
    client.get("/of/ann")
    client.get("/of/ben")
    assert collect().value("calls", key="search") == 1
    assert collect().value("calls", key="other") == 2


def test_a_function_may_choose_the_labels_and_is_asked_once_for_each_circuit(
    make: Make, collect: Collect
) -> None:
    asked = []

    def label(key: str) -> str | None:
        asked.append(key)
        return None if key == "secret" else key.partition(":")[0]

    breaker = make({"key": label})
    for _ in range(3):
        call(breaker, "stock", "db:1", "db:2", "secret")
        found = collect()
    assert found.keys("calls") == {"stock", "db", "other"}
    assert found.value("calls", key="db") == 6
    assert sorted(asked) == ["db:1", "db:2", "secret", "stock"]


def test_there_is_a_hard_maximum_and_declared_keys_come_first(make: Make, collect: Collect) -> None:
    breaker = make({"key": lambda key: key, "max_keys": 3})
    call(breaker, "a", "b", "c", "d", "stock")
    found = collect()
    assert found.keys("calls") == {"stock", "a", "b", "other"}
    assert found.value("calls", key="other") == 2


def test_forgotten_circuits_leave_no_series_and_nothing_else_behind(
    make: Make, collect: Collect
) -> None:
    breaker = make({"key": lambda key: key, "max_keys": 10}, max_circuits=20)
    for n in range(500):
        call(breaker, f"user:{n}")
        if n % 100 == 0:
            found = collect()
    gc.collect()
    found = collect()
    assert len(found.keys("calls")) == 9 + 1  # the tenth is of "stock", never called
    assert sum(point.value for point in found.points("calls")) == 500
    assert found.keys("state") == {"stock", "user:0", "other"}  # that lived when it was collected
    assert found.value("state", key="user:0") == 0
    assert found.value("state", key="other", state="closed") == 20
    assert len(labelled_by(breaker)) == 20


def test_the_circuit_of_surplus_keys_is_other(make: Make, collect: Collect) -> None:
    breaker = make(max_circuits=1)
    held = breaker.circuit("stock")
    call(breaker, "surplus", "more")
    assert held.key == "stock"
    assert collect().value("calls", key="other") == 2


def test_the_circuit_of_surplus_keys_may_have_been_there_before(
    provider: MeterProvider, collect: Collect
) -> None:
    breaker = HybridBreaker(redis=None, max_circuits=1)
    held = breaker.circuit("stock")
    call(breaker, "surplus")
    undo = instrument(breaker, meter_provider=provider)
    call(breaker, "surplus", "more")
    assert held.key == "stock"
    assert collect().value("calls", key="other") == 2
    undo()
    assert type(breaker.circuit("surplus")) is Circuit


@pytest.mark.parametrize("answer", [None, 7, ZeroDivisionError()])
def test_a_function_that_fails_or_answers_nonsense_means_other(
    make: Make, collect: Collect, answer: Any
) -> None:
    def label(key: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    call(make({"key": label}), "stock")
    assert collect().keys("calls") == {"other"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"key": "stock"}, "key must be a function"),
        ({"max_keys": 0}, "max_keys must be a whole number from 1 to 10000, not 0"),
        ({"max_keys": True}, "max_keys must be a whole number from 1 to 10000, not True"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        instrument(HybridBreaker(redis=None), **options)


def test_only_a_breaker_can_be_instrumented() -> None:
    with pytest.raises(TypeError, match="breaker must be a HybridBreaker, not <fastapi"):
        instrument(FastAPI())  # type: ignore[arg-type]


def test_there_are_never_more_labels_than_asked_for_whoever_comes_at_the_same_moment(
    make: Make, collect: Collect
) -> None:
    breaker = make({"key": lambda key: key, "max_keys": 10}, circuits={})
    start = threading.Barrier(8)

    def use(thread: int) -> None:
        start.wait()
        call(breaker, *(f"{thread}-{number}" for number in range(20)))

    threads = [threading.Thread(target=use, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    labels = collect().keys("calls")
    assert len(labels) == 11
    assert "other" in labels
