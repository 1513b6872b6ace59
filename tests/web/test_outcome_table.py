"""Each row of the table of outcomes, in process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from fastapi_hybrid_breaker import circuit

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    client_of,
    make_breaker,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


GUARD = circuit(KEY)


def test_each_row_of_the_table_in_process() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    guarded = {"dependencies": [Depends(GUARD)]}

    @app.exception_handler(KeyError)
    async def as_a_bad_gateway(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 502)

    @app.exception_handler(LookupError)
    async def as_not_found(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 404)

    @app.exception_handler(Exception)
    async def as_all_is_well(request: Request, error: Exception) -> Response:
        return PlainTextResponse("all is well", 200)

    @app.get("/returned", **guarded)
    async def returned(status: int) -> Response:
        return Response(status_code=status)

    @app.get("/raised", **guarded)
    async def raised(kind: str) -> None:
        raise {"key": KeyError, "index": IndexError, "value": ValueError}[kind]

    @app.get("/stream", **guarded)
    async def stream(fail: bool) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"x"
            if fail:
                raise ValueError
            yield b"y"

        return StreamingResponse(body())

    @app.get("/background", **guarded)
    async def background(tasks: BackgroundTasks) -> None:
        def fail() -> None:
            raise ValueError

        tasks.add_task(fail)

    client = client_of(app)
    verdicts = {
        path: verdict_of(breaker.circuit(KEY), lambda path=path: client.get(path))  # type: ignore[misc]
        for path in (
            "/returned?status=204",
            "/returned?status=307",
            "/returned?status=404",
            "/returned?status=503",
            "/returned?status=what",
            "/raised?kind=key",
            "/raised?kind=index",
            "/raised?kind=value",
            "/stream?fail=0",
            "/stream?fail=1",
            "/background",
        )
    }
    assert verdicts == {
        "/returned?status=204": SUCCESS,
        "/returned?status=307": SUCCESS,
        "/returned?status=404": SUCCESS,
        "/returned?status=503": FAILURE,
        "/returned?status=what": NOT_COUNTED,
        "/raised?kind=key": FAILURE,
        "/raised?kind=index": SUCCESS,
        "/raised?kind=value": FAILURE,
        "/stream?fail=0": SUCCESS,
        "/stream?fail=1": FAILURE,
        "/background": SUCCESS,
    }
