"""Beside middleware of the application's own: the verdict is what left the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fastapi_hybrid_breaker import circuit

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    client_of,
    make_breaker,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi_hybrid_breaker import HybridBreaker
    from fastapi_hybrid_breaker.core.states import Outcome


class Masking(BaseHTTPMiddleware):
    """Makes everything a 200 or, where told so, a 500."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        answer = await call_next(request)
        answer.status_code = 500 if "mask" in request.query_params else 200
        return answer


def shop(app: FastAPI) -> HybridBreaker:
    breaker, _ = make_breaker(app)

    @app.get("/returned", dependencies=[Depends(circuit(KEY))])
    async def returned(status: int) -> Response:
        return Response(b"x" * 2000, status_code=status)

    @app.get("/raised", dependencies=[Depends(circuit(KEY))])
    async def raised() -> None:
        raise ValueError

    @app.get("/stream", dependencies=[Depends(circuit(KEY))])
    async def stream(fail: bool) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b"x" * 2000
            if fail:
                raise ValueError

        return StreamingResponse(body())

    @app.get("/background", dependencies=[Depends(circuit(KEY))])
    async def background(tasks: BackgroundTasks) -> None:
        def fail() -> None:
            raise ValueError

        tasks.add_task(fail)

    return breaker


ROWS = [
    ("/returned?status=200", SUCCESS),
    ("/returned?status=404", SUCCESS),
    ("/returned?status=403", NOT_COUNTED),
    ("/returned?status=503", FAILURE),
    ("/raised", FAILURE),
    ("/stream?fail=0", SUCCESS),
    ("/stream?fail=1", FAILURE),
    ("/background", SUCCESS),
]


@pytest.mark.parametrize(("path", "verdict"), ROWS)
@pytest.mark.parametrize("early", [True, False], ids=["given", "added"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Masking, {}),
        (GZipMiddleware, {"minimum_size": 10}),
        (CORSMiddleware, {"allow_origins": ["*"]}),
    ],
    ids=["base", "gzip", "cors"],
)
def test_the_verdict_is_the_same(
    kind: Any, options: dict[str, Any], early: bool, path: str, verdict: Outcome
) -> None:
    if early:
        app = FastAPI(middleware=[Middleware(kind, **options)])
        breaker = shop(app)
    else:
        app = FastAPI()
        breaker = shop(app)
        app.add_middleware(kind, **options)
    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get(path)) is verdict


def test_what_a_middleware_further_out_makes_of_the_answer_is_its_own_business() -> None:
    app = FastAPI()
    breaker = shop(app)
    app.add_middleware(Masking)
    client = client_of(app)
    guarded = breaker.circuit(KEY)
    assert verdict_of(guarded, lambda: client.get("/returned?status=200&mask")) is SUCCESS
    assert client.get("/returned?status=200&mask").status_code == 500


def test_the_503_goes_out_through_the_middleware() -> None:
    app = FastAPI()
    breaker = shop(app)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    app.add_middleware(GZipMiddleware, minimum_size=10)
    trip(breaker.circuit(KEY))
    response = client_of(app).get("/raised", headers={"Origin": "http://elsewhere"})
    assert response.status_code == 503
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["circuit"] == KEY
