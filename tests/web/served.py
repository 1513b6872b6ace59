"""The application that the uvicorn tests serve: a route for each row of the outcome table.

Everything under /-/ is for the tests: it sets the circuit's state and tells it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, WebSocket
from fastapi.sse import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from fastapi_hybrid_breaker import CircuitOpenError, circuit
from tests import inside

from .bench import KEY, arm, calm, make_breaker, make_half_open, trip

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from fastapi_hybrid_breaker import HybridBreaker
    from fastapi_hybrid_breaker.testing import ManualClock


class Counting:
    """Counts requests, for tests whose client does not see how far its own has come."""

    started = 0
    finished = 0

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counts = scope["type"] in {"http", "websocket"} and not scope["path"].startswith("/-/")
        Counting.started += counts
        try:
            await self.app(scope, receive, send)
        finally:
            Counting.finished += counts


class Unavailable(Exception):
    pass


def make_app() -> FastAPI:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    app.add_middleware(Counting)
    released = asyncio.Event()
    app.include_router(control(breaker, clock, released))
    app.include_router(answers(breaker), dependencies=[Depends(circuit(KEY))])
    app.include_router(streams(released), dependencies=[Depends(circuit(KEY))])
    app.include_router(sockets(), dependencies=[Depends(circuit(KEY))])

    @app.exception_handler(KeyError)
    async def bad_gateway(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 502)

    @app.exception_handler(Unavailable)
    async def unavailable(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 503)

    return app


def make_handling_app() -> FastAPI:
    app = make_app()

    @app.exception_handler(Exception)
    async def as_all_is_well(request: Request, error: Exception) -> Response:
        return PlainTextResponse("all is well", 200)

    return app


def control(breaker: HybridBreaker, clock: ManualClock, released: asyncio.Event) -> APIRouter:
    router = APIRouter(prefix="/-")
    guarded = breaker.circuit(KEY)
    upstream = breaker.circuit("upstream")

    @router.post("/{state}")
    async def prepare(state: str) -> None:
        released.clear()
        inside.reset_here(guarded)
        if state == "armed":
            arm(guarded)
        elif state == "calm":
            calm(guarded)
        elif state == "half-open":
            make_half_open(guarded, clock)
        elif state == "open":
            trip(guarded)
        inside.reset_here(upstream)  # its open time has passed as well, with a probe
        trip(upstream)

    @router.put("/release")
    async def release() -> None:
        released.set()

    @router.get("/circuit")
    async def tell() -> dict[str, Any]:
        stats = guarded.stats()
        return {
            "state": stats.state,
            "failures": stats.failures,
            "retry_after": stats.retry_after,
            "started": Counting.started,
            "finished": Counting.finished,
        }

    return router


def answers(breaker: HybridBreaker) -> APIRouter:
    router = APIRouter()

    @router.get("/returned")
    async def returned(status: int) -> Response:
        return Response(status_code=status)

    @router.get("/raised")
    async def raised(kind: str) -> None:
        raise {"key": KeyError(), "value": ValueError(), "http": HTTPException(409)}[kind]

    @router.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        def fail() -> None:
            raise ValueError

        tasks.add_task(fail)

    @router.get("/rejected-inside")
    async def rejected_inside(handled: bool) -> None:
        try:
            await breaker.execute("upstream", asyncio.sleep, 0)
        except CircuitOpenError:
            if not handled:
                raise
            raise Unavailable from None

    @router.post("/reads")
    async def reads(request: Request) -> None:
        await request.body()

    @router.post("/reads-a-model")
    async def reads_a_model(body: dict[str, str]) -> None:
        pass

    return router


def streams(released: asyncio.Event) -> APIRouter:
    router = APIRouter()

    @router.get("/waits")
    async def waits() -> None:
        await released.wait()

    @router.get("/stream")
    async def stream(fail: bool, status: int = 200) -> Response:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x"
            if fail:
                raise ValueError

        return StreamingResponse(body(), status)

    @router.get("/endless")
    async def endless(status: int) -> Response:
        async def body() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.005)

        return StreamingResponse(body(), status)

    @router.get("/events", response_class=EventSourceResponse)
    async def events(idle: bool, fail: bool = False) -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}
        if fail:
            raise ValueError
        if idle:
            await released.wait()
        while True:
            yield {"n": 2}
            await asyncio.sleep(0.005)

    return router


def sockets() -> APIRouter:
    router = APIRouter()

    @router.websocket("/socket/{what}")
    async def socket(websocket: WebSocket, what: str) -> None:
        if what == "refuses":
            await websocket.close()
            return
        await websocket.accept()
        await websocket.send_text("hello")
        if what == "fails":
            raise ValueError
        if what == "talks":
            while True:
                await websocket.send_text("x")
                await asyncio.sleep(0.005)
        await websocket.receive_text()

    return router


app = make_app()
handling_app = make_handling_app()
