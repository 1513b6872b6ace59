"""A route that handles a rejection of an optional upstream is judged by what it answers then."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState, circuit

from .bench import (
    CONFIG,
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    client_of,
    make_breaker,
    trip,
    verdict_of,
)
from .handled_rejections import OUTCOMES, make_app
from .servers import request, uvicorn_serving

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import Outcome

each_path = pytest.mark.parametrize(("path", "outcome"), OUTCOMES.items())


@each_path
def test_what_leaves_the_route_is_what_counts(path: str, outcome: Outcome) -> None:
    app, breaker = make_app()
    client = client_of(app)
    trip(breaker.circuit("upstream"))
    assert verdict_of(breaker.circuit(KEY), lambda: client.get(path)) is outcome


def test_behind_uvicorn_too() -> None:
    with uvicorn_serving("tests.web.handled_rejections:app") as port:
        base = f"http://127.0.0.1:{port}"
        seen = {}
        for path in OUTCOMES:
            request("POST", f"{base}/-/armed").raise_for_status()
            request("GET", base + path)
            failures = request("GET", f"{base}/-/circuit").json()["failures"]
            seen[path] = {0: SUCCESS, 1: NOT_COUNTED, 2: FAILURE}[failures]
    assert seen == OUTCOMES


@pytest.mark.parametrize("path", [path for path, outcome in OUTCOMES.items() if outcome is FAILURE])
def test_a_dead_upstream_is_not_called_on_and_on_once_half_open(path: str) -> None:
    app, breaker = make_app()
    client = client_of(app)
    guarded = breaker.circuit(KEY)
    trip(breaker.circuit("upstream"))
    client.post("/-/half-open")
    served = [client.get(path).status_code for _ in range(10)]
    assert guarded.state is CircuitState.OPEN
    assert served[1:] == [503] * 9


def test_a_caller_that_handles_an_error_itself_does_not_blind_the_route_it_calls() -> None:
    """It calls the application in process, in an ``except`` block of its own."""
    app = FastAPI()
    breaker, _ = make_breaker(app)

    @app.exception_handler(KeyError)
    async def bad_gateway(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 502)

    @app.get("/answered/{status}", dependencies=[Depends(circuit(KEY))])
    async def answered(status: int) -> Response:
        return JSONResponse({}, status)

    @app.get("/raised", dependencies=[Depends(circuit(KEY))])
    async def raised() -> None:
        raise KeyError

    @app.get("/calling/{path:path}")
    async def calling(path: str) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://self") as client:
            try:
                raise CircuitOpenError("upstream", 1.0)
            except CircuitOpenError:
                await client.get("/" + path)

    client = client_of(app)
    guarded = breaker.circuit(KEY)
    for path, outcome in {
        "answered/500": FAILURE,
        "answered/502": FAILURE,
        "answered/503": FAILURE,
        "raised": FAILURE,
        "answered/200": SUCCESS,
        "answered/404": SUCCESS,
    }.items():
        assert verdict_of(guarded, lambda path=path: client.get(f"/calling/{path}")) is outcome, (
            path
        )


@pytest.mark.parametrize(
    ("path", "outcome"),
    {
        "rejected": NOT_COUNTED,
        "broken": FAILURE,
        "answered": FAILURE,
        "handled": FAILURE,
        "missing": SUCCESS,
    }.items(),
)
def test_a_handler_answers_a_rejection_with_a_4xx_that_is_declared_a_failure(
    path: str, outcome: Outcome
) -> None:
    """And with one that is not: a 404 counts, whatever exception it answers."""
    app = FastAPI()
    breaker, _ = make_breaker(app)
    breaker.circuit(KEY, replace(CONFIG, failure_statuses=frozenset({429, 500})))
    other = breaker.circuit("with the default statuses")

    @app.exception_handler(CircuitOpenError)
    @app.exception_handler(KeyError)
    async def too_many(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 429)

    @app.exception_handler(LookupError)
    async def not_found(request: Request, error: Exception) -> Response:
        return JSONResponse({}, 404)

    guards = [Depends(circuit(KEY)), Depends(circuit("with the default statuses"))]

    @app.get("/{path}", dependencies=guards)
    async def answer(path: str) -> Response:
        if path == "rejected":
            raise CircuitOpenError("upstream", 1.0)
        if path == "broken":
            raise KeyError
        if path == "missing":
            raise IndexError
        if path == "handled":
            with contextlib.suppress(CircuitOpenError):
                raise CircuitOpenError("upstream", 1.0)
        return JSONResponse({}, 429)

    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get(f"/{path}")) is outcome
    assert other.stats().failures == 0  # to it a 429 says nothing


def test_a_rejection_that_leaves_a_route_does_not_open_its_circuit() -> None:
    app, breaker = make_app()
    client = client_of(app)
    trip(breaker.circuit("upstream"))
    for path in (path for path, outcome in OUTCOMES.items() if outcome is NOT_COUNTED):
        for _ in range(5):
            client.get(path)
        assert breaker.circuit(KEY).state is CircuitState.CLOSED, path


@pytest.mark.parametrize("path", ["/passed/on", "/passed/gateway", "/passed/group"])
def test_nor_does_it_hold_a_place_among_the_probes(path: str) -> None:
    app, breaker = make_app()
    client = client_of(app)
    guarded = breaker.circuit(KEY)
    client.post("/-/half-open")
    assert breaker.circuit("upstream").state is CircuitState.OPEN
    for _ in range(5):
        client.get(path)
    assert guarded.state is CircuitState.HALF_OPEN
    assert guarded.stats().retry_after == 0.0
