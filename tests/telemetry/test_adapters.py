"""Routes and transports: a guard counts once, and a gate not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient

from fastapi_hybrid_breaker import Circuit, HybridBreaker, circuit
from fastapi_hybrid_breaker.testing import ManualClock, open_circuit

from .collected import Collected

Collect = Callable[[], Collected]

GUARD = Depends(circuit("stock"))


@pytest.fixture
def client(breaker: HybridBreaker, clock: ManualClock) -> TestClient:
    app = FastAPI()
    breaker.install(app)

    @app.get("/{status}", dependencies=[GUARD])
    async def answer(status: int) -> None:
        clock.advance(0.5)
        if status != 200:
            raise HTTPException(status)

    @app.get("/gate/{status}", dependencies=[GUARD])
    async def gate(status: int) -> None:
        def send(_: httpx.Request) -> httpx.Response:
            clock.advance(0.25)
            return httpx.Response(status)

        transport = breaker.transport(httpx.MockTransport(send), circuit="stock")
        async with httpx.AsyncClient(transport=transport) as upstream:
            await upstream.get("http://upstream/")

    @app.get("/twice/", dependencies=[GUARD, Depends(circuit("stock"), use_cache=False)])
    async def twice() -> None:
        clock.advance(1.0)

    return TestClient(app, raise_server_exceptions=False)


def test_a_route_counts_by_its_status(client: TestClient, collect: Collect) -> None:
    for status in (200, 403, 500):
        client.get(f"/{status}")
    found = collect()
    assert found.calls(key="stock") == {"success": 1, "no_verdict": 1, "failure": 1}
    assert found.durations() == (3, 1.5)


@pytest.mark.parametrize(("status", "outcome"), [(200, "success"), (503, "failure")])
def test_a_route_that_was_only_a_gate_is_no_call(
    client: TestClient, collect: Collect, status: int, outcome: str
) -> None:
    assert client.get(f"/gate/{status}").status_code == 200
    assert collect().calls() == {outcome: 1}
    assert collect().durations() == (1, 0.25)


def test_two_guards_of_one_circuit_in_a_request_are_one(
    client: TestClient, collect: Collect
) -> None:
    client.get("/twice/")
    assert collect().calls() == {"success": 1}
    assert collect().durations() == (1, 1.0)


def test_a_rejected_request_counts_once(
    client: TestClient, breaker: HybridBreaker, collect: Collect
) -> None:
    with open_circuit(breaker, "stock"):
        assert client.get("/twice/").status_code == 503
        assert client.get("/gate/200").status_code == 503
    assert collect().value("rejections", key="stock") == 2
    assert collect().calls() == {}


def test_a_stream_through_a_transport_counts_when_it_ends(
    breaker: HybridBreaker, clock: ManualClock, collect: Collect
) -> None:
    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            for _ in range(3):
                clock.advance(1.0)
                yield b"x"

    transport = breaker.transport(
        httpx.MockTransport(lambda _: httpx.Response(200, stream=Body())), circuit="stock"
    )
    with httpx.Client(transport=transport) as client, client.stream("GET", "http://up/") as got:
        chunks = got.iter_raw()
        next(chunks)
        assert collect().calls() == {}
        clock.advance(60.0)  # the reader takes its time, which is not the dependency's
        assert len(list(chunks)) == 2
    assert collect().calls() == {"success": 1}
    assert collect().durations() == (1, 3.0)


def test_the_circuit_in_an_endpoint_is_a_circuit_still(
    client: TestClient, breaker: HybridBreaker
) -> None:
    client.get("/200")
    assert isinstance(breaker.circuit("stock"), Circuit)
    assert repr(breaker.circuit("stock")) == "<Circuit 'stock' CLOSED>"
