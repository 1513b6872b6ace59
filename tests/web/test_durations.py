"""How long a guarded request takes, and probes that last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitState,
    CountWindow,
    HybridBreaker,
    SlowCallRate,
    circuit,
)
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .bench import KEY, client_of, make_breaker, trip

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive

GUARDED = [Depends(circuit(KEY))]
SLOW = SlowCallRate(1.0, slower_than=2.0, window=CountWindow(2), minimum_calls=2)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app() -> FastAPI:
    return FastAPI()


@pytest.fixture
def breaker(app: FastAPI, clock: ManualClock) -> HybridBreaker:
    return HybridBreaker(app, redis=None, defaults=CircuitConfig(trip=SLOW), clock=clock)


def slow_rate(breaker: HybridBreaker) -> float | None:
    return breaker.stats(KEY).slow_rate


def test_slow_requests_open_the_circuit_though_all_succeed(
    app: FastAPI, breaker: HybridBreaker, clock: ManualClock
) -> None:
    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> None:
        clock.advance(2.5)

    client = client_of(app)
    assert [client.get("/").status_code for _ in range(3)] == [200, 200, 503]
    evidence = breaker.circuit(KEY).history()[-1].evidence
    assert (evidence.cause, evidence.slow, evidence.calls) == ("slow_calls", 2, 2)


def test_a_stream_is_as_slow_as_its_head(
    app: FastAPI, breaker: HybridBreaker, clock: ManualClock
) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        clock.advance(60.0)
        yield b"last"

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> StreamingResponse:
        return StreamingResponse(parts())

    client_of(app).get("/")
    assert slow_rate(breaker) == 0.0


def test_a_websocket_is_as_slow_as_its_acceptance(
    app: FastAPI, breaker: HybridBreaker, clock: ManualClock
) -> None:
    @app.websocket("/", dependencies=GUARDED)
    async def endpoint(websocket: WebSocket) -> None:
        clock.advance(3.0)
        await websocket.accept()
        clock.advance(60.0)
        await websocket.close()

    with TestClient(app).websocket_connect("/"):
        pass
    assert slow_rate(breaker) == 1.0


async def test_a_client_that_gives_up_on_a_slow_request_shows_it_to_be_slow(
    app: FastAPI, breaker: HybridBreaker, clock: ManualClock
) -> None:
    began = asyncio.Event()

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> None:
        began.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(app(scope("http", "/"), connected("http"), nowhere))
    await began.wait()
    clock.advance(30.0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    stats = breaker.stats(KEY)
    assert (stats.calls, stats.failure_rate, stats.slow_rate) == (0, None, 1.0)


def test_a_route_that_was_only_a_gate_counts_no_duration(
    app: FastAPI, breaker: HybridBreaker, clock: ManualClock
) -> None:
    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> None:
        breaker.circuit(KEY).call_sync(int)
        clock.advance(60.0)

    client_of(app).get("/")
    assert (breaker.stats(KEY).calls, slow_rate(breaker)) == (1, 0.0)


def test_a_failing_status_is_told_as_the_reason() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> Response:
        return Response(status_code=502)

    for _ in range(3):
        client_of(app).get("/")
    assert breaker.circuit(KEY).history()[-1].evidence.error == "status 502"


# -- probes that last ------------------------------------------------------------------------------


def scope(kind: str, path: str) -> dict[str, Any]:
    about = {"type": kind, "path": path, "query_string": b"", "headers": []}
    return about | ({"method": "GET"} if kind == "http" else {})


def connected(kind: str) -> Receive:
    """Make a client that says what begins its connection, and then nothing more."""
    left = [{"type": "websocket.connect" if kind == "websocket" else "http.request"}]

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop()

    return receive


async def nowhere(message: Message) -> None:
    """Send to nobody."""


@pytest.mark.parametrize("kind", ["websocket", "http"])
@pytest.mark.parametrize("is_well", [True, False])
async def test_a_stream_that_goes_well_at_its_deadline_closes_the_circuit(
    kind: str, is_well: bool
) -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    guarded = breaker.circuit(KEY)
    began, over = asyncio.Event(), asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        began.set()
        await over.wait()

    @app.get("/", dependencies=GUARDED)
    async def streaming() -> StreamingResponse:
        if not is_well:
            began.set()
            await over.wait()
        return StreamingResponse(parts())

    @app.websocket("/", dependencies=GUARDED)
    async def chatting(websocket: WebSocket) -> None:
        if is_well:
            await websocket.accept()
        began.set()
        await over.wait()

    trip(guarded)
    clock.advance(guarded.config.recovery_timeout)
    probe = asyncio.create_task(app(scope(kind, "/"), connected(kind), nowhere))
    await began.wait()
    clock.advance(guarded.config.probe_timeout)
    permit = inside.admit(guarded)
    assert guarded.state is (CircuitState.CLOSED if is_well else CircuitState.HALF_OPEN)
    assert isinstance(permit, int) is is_well
    over.set()
    await asyncio.wait([probe])
