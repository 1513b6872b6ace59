"""WebSocket routes: denied before they are accepted, judged when they are left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket, WebSocketException
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from fastapi_hybrid_breaker import Circuit, CircuitState, circuit

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    make_breaker,
    make_half_open,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from starlette.types import Message

    from fastapi_hybrid_breaker.core.states import Outcome

GUARD = circuit(KEY)
AFTER_CLOSE = 'Cannot call "send" once a close message has been sent.'


class Sockets:
    """An application with a guarded socket that does what it is told."""

    def __init__(self) -> None:
        self.app = app = FastAPI()
        self.breaker, self.clock = make_breaker(app)
        self.guarded = self.breaker.circuit(KEY)
        self.client = TestClient(app)

        @app.websocket("/{what}")
        async def endpoint(
            websocket: WebSocket, what: str, given: Annotated[Circuit, Depends(GUARD)]
        ) -> None:
            assert given is self.guarded
            if what == "close-before":
                await websocket.close()
                return
            if what == "deny":
                raise HTTPException(404)
            if what == "deny-502":
                raise HTTPException(502)
            if what == "fail-before":
                raise ValueError("before")
            await websocket.accept()
            if what == "fail-after":
                raise ValueError("after")
            if what == "refuse":
                raise WebSocketException(1008)
            if what == "cancel":
                raise asyncio.CancelledError
            if what == "read":
                await websocket.receive_text()
            if what == "read-twice":
                await websocket.receive()
                await websocket.receive()
            if what.endswith("-after-close"):
                await websocket.close()
            if what == "send-after-close":
                await websocket.send_text("x")
            if what == "read-after-close":
                await websocket.receive_text()
            if what == "fail-like-the-end":
                raise NotImplementedError(AFTER_CLOSE)
            if what == "call":
                await self.breaker.execute("upstream", asyncio.sleep, 0)

    def visit(self, what: str) -> Exception | None:
        """Open a socket and leave it at once; give what it raised, if anything."""
        try:
            with self.client.websocket_connect(f"/{what}"):
                pass
        except Exception as error:
            return error
        return None


@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        ("return", SUCCESS),
        ("read", SUCCESS),
        ("read-twice", SUCCESS),
        ("send-after-close", SUCCESS),
        ("read-after-close", SUCCESS),
        ("refuse", SUCCESS),
        ("fail-after", FAILURE),
        ("fail-like-the-end", FAILURE),
        ("fail-before", FAILURE),
        ("deny-502", FAILURE),
        ("deny", SUCCESS),
        ("close-before", NOT_COUNTED),
    ],
)
def test_the_verdict_of_a_socket(what: str, verdict: Outcome) -> None:
    sockets = Sockets()
    assert verdict_of(sockets.guarded, lambda: sockets.visit(what)) is verdict


@pytest.mark.parametrize(
    ("what", "state"),
    [
        ("read", CircuitState.CLOSED),
        ("fail-after", CircuitState.OPEN),
        ("close-before", CircuitState.HALF_OPEN),
    ],
)
def test_a_socket_can_be_the_probe(what: str, state: CircuitState) -> None:
    sockets = Sockets()
    make_half_open(sockets.guarded, sockets.clock)
    sockets.visit(what)
    assert sockets.guarded.state is state
    assert sockets.guarded.stats().retry_after == (10.0 if state == "OPEN" else 0.0)


def test_a_rejected_socket_is_denied_with_the_503() -> None:
    sockets = Sockets()
    trip(sockets.guarded)
    error = sockets.visit("return")
    assert isinstance(error, WebSocketDenialResponse)
    assert error.status_code == 503
    assert error.headers["retry-after"] == "10"
    assert error.headers["content-type"] == "application/problem+json"
    assert error.json()["circuit"] == KEY


def test_a_rejected_socket_in_a_mounted_application_is_denied_too() -> None:
    sockets = Sockets()
    app = FastAPI()
    outer, _ = make_breaker(app)
    sub = FastAPI()

    @sub.websocket("/", dependencies=[Depends(GUARD)])
    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError

    app.mount("/sub", sub)
    trip(outer.circuit(KEY))
    sockets.client = TestClient(app)
    error = sockets.visit("sub/")
    assert isinstance(error, WebSocketDenialResponse)
    assert error.status_code == 503
    assert error.headers["retry-after"] == "10"


async def converse(app: FastAPI, path: str, *received: Message) -> list[Message]:
    """Serve a socket as a server without the extension for denial responses does."""
    sent: list[Message] = []
    waiting = [{"type": "websocket.connect"}, *received]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_server_that_cannot_deny_closes_the_rejected_socket(mounted: bool) -> None:
    app, routes = FastAPI(), FastAPI()
    breaker, _ = make_breaker(app)
    routes = FastAPI() if mounted else app

    @routes.websocket("/", dependencies=[Depends(GUARD)])
    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError

    if mounted:
        app.mount("/sub", routes)
    trip(breaker.circuit(KEY))
    (close,) = await converse(app, "/sub/" if mounted else "/")
    assert close["type"] == "websocket.close"
    assert close["code"] == 1013
    assert close["reason"].startswith("Circuit breaker is OPEN")


def test_a_rejection_of_a_call_inside_closes_an_accepted_socket() -> None:
    sockets = Sockets()
    trip(sockets.breaker.circuit("upstream"))
    with sockets.client.websocket_connect("/call") as socket:
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_text()
    assert caught.value.code == 1013
    assert "upstream" not in caught.value.reason


def test_the_same_for_a_class_of_starlette() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    trip(breaker.circuit("upstream"))

    class Endpoint(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()
            await breaker.execute("upstream", asyncio.sleep, 0)

    app.router.add_websocket_route("/", Endpoint)  # type: ignore[arg-type]
    with TestClient(app).websocket_connect("/") as socket:
        with pytest.raises(WebSocketDisconnect) as caught:
            socket.receive_text()
    assert caught.value.code == 1013


async def test_a_socket_whose_client_is_gone_before_the_accept_gives_no_verdict() -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    guarded = breaker.circuit(KEY)

    @app.websocket("/", dependencies=[Depends(GUARD)])
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        raise ConnectionResetError

    make_half_open(guarded, clock)
    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(ConnectionResetError):
        await app(scope, receive, send)
    assert guarded.state is CircuitState.HALF_OPEN
    assert guarded.stats().retry_after == 0.0


async def test_a_cancelled_socket_is_left_not_broken() -> None:
    sockets = Sockets()
    make_half_open(sockets.guarded, sockets.clock)
    with pytest.raises(asyncio.CancelledError):
        await converse(sockets.app, "/cancel")
    assert sockets.guarded.state is CircuitState.CLOSED


def test_a_breaker_is_needed_for_sockets_as_well() -> None:
    app = FastAPI()

    @app.websocket("/", dependencies=[Depends(GUARD)])
    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError

    with pytest.raises(RuntimeError, match="no HybridBreaker is installed"):
        with TestClient(app).websocket_connect("/"):
            pass
