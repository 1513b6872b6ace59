"""Routes that one circuit guards, whose calls another one rejects, and what each means to it.

Served by uvicorn too; ``control`` of ``served.py`` sets the circuits' states.
"""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker, circuit

from .bench import FAILURE, KEY, NOT_COUNTED, SUCCESS, make_breaker
from .served import control

OUTCOMES = {
    # handled: what follows is the route's own
    "/handled/fallback": SUCCESS,
    "/handled/then-raises": FAILURE,
    "/handled/then-500": FAILURE,
    "/handled/then-502": FAILURE,
    "/handled/fallback-fails": FAILURE,
    "/handled/fallback-fails-with-503": FAILURE,
    "/handled/then-http-500": FAILURE,
    "/handled/then-key-error": FAILURE,  # which a handler answers with 502
    "/handled/then-503": NOT_COUNTED,  # it may be that rejection, passed on
    "/handled/in-a-dependency": FAILURE,
    "/handled/in-a-group": FAILURE,
    # passed on, in one way or another
    "/passed/on": NOT_COUNTED,
    "/passed/http-503": NOT_COUNTED,
    "/passed/http-502": NOT_COUNTED,
    "/passed/gateway": NOT_COUNTED,  # which a handler answers with 502
    "/passed/gateway-sync": NOT_COUNTED,
    "/passed/from-none": NOT_COUNTED,
    "/passed/twice": NOT_COUNTED,
    "/passed/group": NOT_COUNTED,
    "/passed/to-sub/on": NOT_COUNTED,
    "/passed/to-sub/gateway": NOT_COUNTED,  # which the mounted application answers with 502
    "/passed/to-sub/own": FAILURE,
}


class GatewayError(Exception):
    pass


class SyncGatewayError(Exception):
    pass


def make_app() -> tuple[FastAPI, HybridBreaker]:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    app.include_router(control(breaker, clock, asyncio.Event()))
    guarded = [Depends(circuit(KEY))]
    app.include_router(_handled(breaker), prefix="/handled", dependencies=guarded)
    app.mount("/passed/to-sub", _mounted(breaker))
    app.include_router(_passed_on(breaker), prefix="/passed", dependencies=guarded)
    _add_handlers(app)
    return app, breaker


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(KeyError)
    @app.exception_handler(GatewayError)
    async def bad_gateway(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 502)

    @app.exception_handler(SyncGatewayError)
    def bad_gateway_sync(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 502)


def _handled(breaker: HybridBreaker) -> APIRouter:
    router = APIRouter()

    async def optional() -> str:
        try:
            return await breaker.execute("upstream", asyncio.sleep, 0)
        except CircuitOpenError:
            return "stale"

    async def fall_back(error: type[Exception]) -> None:
        await asyncio.sleep(0)
        raise error

    @router.get("/fallback")
    async def fallback() -> str:
        return await optional()

    @router.get("/then-raises")
    async def then_raises() -> None:
        await optional()
        raise RuntimeError

    @router.get("/then-{status}")
    async def then(status: str) -> Response:
        await optional()
        if status == "http-500":
            raise HTTPException(500)
        if status == "key-error":
            raise KeyError
        return JSONResponse({}, int(status))

    @router.get("/fallback-fails")
    async def fallback_fails() -> None:
        try:
            await breaker.execute("upstream", asyncio.sleep, 0)
        except CircuitOpenError:
            await fall_back(RuntimeError)

    @router.get("/fallback-fails-with-503")
    async def fallback_fails_with_503() -> None:
        class Unavailable(HTTPException):
            def __init__(self) -> None:
                super().__init__(503)

        try:
            await breaker.execute("upstream", asyncio.sleep, 0)
        except CircuitOpenError:
            await fall_back(Unavailable)

    @router.get("/in-a-dependency", dependencies=[Depends(optional)])
    async def in_a_dependency() -> None:
        raise RuntimeError

    @router.get("/in-a-group")
    async def in_a_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(optional())
            group.create_task(fall_back(RuntimeError))

    return router


def _passed_on(breaker: HybridBreaker) -> APIRouter:
    router = APIRouter()

    async def call() -> None:
        await breaker.execute("upstream", asyncio.sleep, 0)

    @router.get("/on")
    async def passed_on() -> None:
        await call()

    @router.get("/http-{status}")
    async def http(status: int) -> None:
        try:
            await call()
        except CircuitOpenError:
            raise HTTPException(status) from None

    @router.get("/gateway")
    async def gateway() -> None:
        try:
            await call()
        except CircuitOpenError:
            raise GatewayError from None

    @router.get("/gateway-sync")
    def gateway_sync() -> None:
        try:
            breaker.circuit("upstream").call_sync(str)
        except CircuitOpenError:
            raise SyncGatewayError from None

    @router.get("/from-none")
    async def from_none() -> None:
        try:
            await call()
        except CircuitOpenError:
            raise ValueError from None

    @router.get("/twice")
    async def twice() -> None:
        try:
            await from_none()
        except ValueError as error:
            raise RuntimeError from error

    @router.get("/group")
    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call())
            tasks.create_task(from_none())

    return router


def _mounted(breaker: HybridBreaker) -> FastAPI:
    """Make an application with handlers of its own."""
    sub = FastAPI(dependencies=[Depends(circuit(KEY))])
    _add_handlers(sub)
    sub.include_router(_passed_on(breaker))

    @sub.get("/own")
    async def own() -> None:
        with contextlib.suppress(CircuitOpenError):
            await breaker.execute("upstream", asyncio.sleep, 0)
        raise GatewayError

    return sub


app, _ = make_app()
