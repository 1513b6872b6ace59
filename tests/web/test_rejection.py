"""The 503: status, header, problem body, and whose handler answers."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from fastapi_hybrid_breaker import (
    CIRCUIT_OPEN_RESPONSES,
    CircuitConfig,
    CircuitOpenError,
    HybridBreaker,
    circuit,
)
from fastapi_hybrid_breaker.web.answer import handle_rejection
from fastapi_hybrid_breaker.web.problem import (
    RouteRejectedError,
    WebSocketRejectedError,
    rejection_response,
)
from tests import inside

from .bench import CONFIG, KEY, client_of, make_breaker, make_half_open, trip

PROBLEM = "application/problem+json"


async def work() -> None:
    pass


def shop_with(breaker: HybridBreaker, app: FastAPI, key: Any, **options: bool) -> None:
    guard = circuit(key, **options)

    @app.get("/", dependencies=[Depends(guard)], responses=CIRCUIT_OPEN_RESPONSES)
    async def endpoint() -> None:
        pass

    breaker.install(app)


def test_a_rejected_request_is_a_503_with_retry_after_and_a_problem_body() -> None:
    app = FastAPI()
    breaker, clock = make_breaker()
    shop_with(breaker, app, KEY)
    trip(breaker.circuit(KEY))
    clock.advance(2.5)
    response = client_of(app).get("/")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "8"
    assert response.headers["content-type"] == PROBLEM
    assert response.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Circuit breaker is OPEN for inventory-api",
        "retry_after": 8,
        "state": "OPEN",
        "circuit": "inventory-api",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2")])
def test_retry_after_is_whole_seconds_rounded_up_and_1_at_least(
    seconds: float, header: str
) -> None:
    response = rejection_response(CircuitOpenError(KEY, seconds), is_public=True)
    assert response.headers["retry-after"] == header


async def test_while_a_probe_runs_the_others_are_told_to_come_back_in_a_second() -> None:
    app = FastAPI()
    breaker, clock = make_breaker()
    shop_with(breaker, app, KEY)
    guarded = breaker.circuit(KEY)
    make_half_open(guarded, clock)
    inside.admit(guarded)
    response = client_of(app).get("/")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def secret(_: HTTPConnection) -> str:
    return "db-7.internal:5432"


def test_a_key_made_at_run_time_is_not_told() -> None:
    app = FastAPI()
    breaker, _ = make_breaker()
    shop_with(breaker, app, secret)
    trip(breaker.circuit("db-7.internal:5432"))
    response = client_of(app).get("/")
    assert response.status_code == 503
    assert "internal" not in response.text
    assert "internal" not in str(response.headers)
    assert "circuit" not in response.json()
    assert response.json()["detail"] == "Circuit breaker is OPEN"


def test_a_declared_key_is_told_although_it_was_made_at_run_time() -> None:
    app = FastAPI()
    declared = {"db-7.internal:5432": CONFIG, "host:*": CONFIG}
    breaker = HybridBreaker(redis=None, circuits=declared)
    shop_with(breaker, app, secret, allow_declared=True)
    trip(breaker.circuit("db-7.internal:5432"))
    assert client_of(app).get("/").json()["circuit"] == "db-7.internal:5432"


def shop_that_calls(breaker: HybridBreaker, key: str) -> FastAPI:
    app = FastAPI()
    breaker.install(app)

    @app.get("/")
    async def endpoint() -> None:
        await breaker.execute(key, work)

    trip(breaker.circuit(key))
    return app


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("db-7.internal:5432", False),
        ("host:a", False),  # a pattern's keys are made at run time
        ("declared", True),
        (KEY, True),  # given to circuit() below
    ],
)
def test_a_rejection_of_a_call_inside_an_unguarded_route_is_the_same_503(
    key: str, named: bool
) -> None:
    declared = {"declared": CONFIG, "host:*": CONFIG}
    breaker = HybridBreaker(redis=None, defaults=CONFIG, circuits=declared)
    guard = circuit(KEY)
    response = client_of(shop_that_calls(breaker, key)).get("/")
    assert response.status_code == 503
    assert response.headers["content-type"] == PROBLEM
    assert response.headers["retry-after"] == "10"
    assert response.json().get("circuit") == (key if named else None)
    assert (key in response.text) is named
    assert guard is circuit(KEY)


@pytest.mark.parametrize("handled", [CircuitOpenError, 503])
@pytest.mark.parametrize("first", [True, False])
def test_the_applications_own_handler_goes_first(handled: Any, first: bool) -> None:
    breaker, _ = make_breaker()
    app = FastAPI()

    async def own(request: Request, error: Exception) -> Response:
        assert isinstance(error, CircuitOpenError)
        return PlainTextResponse(f"own: {error.key}", 503)

    if first:
        app.add_exception_handler(handled, own)
    shop_with(breaker, app, KEY)
    if not first:
        app.add_exception_handler(handled, own)
    trip(breaker.circuit(KEY))
    assert client_of(app).get("/").text == "own: inventory-api"


def test_a_handler_of_all_http_exceptions_leaves_rejections_to_ours() -> None:
    breaker, _ = make_breaker()
    app = FastAPI()

    @app.exception_handler(HTTPException)
    async def own(request: Request, error: Exception) -> Response:
        return JSONResponse({"house": "style"}, 400)

    shop_with(breaker, app, KEY)
    trip(breaker.circuit(KEY))
    assert client_of(app).get("/").headers["content-type"] == PROBLEM


async def test_our_handler_takes_nothing_but_rejections() -> None:
    with pytest.raises(TypeError, match="CircuitOpenError"):
        await handle_rejection(HTTPConnection({"type": "http"}), ValueError())


async def test_our_handler_names_nothing_where_no_breaker_is_installed() -> None:
    response = await handle_rejection(HTTPConnection({"type": "http"}), CircuitOpenError(KEY, 3.0))
    assert response.status_code == 503
    assert KEY.encode() not in bytes(response.body)


@pytest.mark.parametrize("kind", [RouteRejectedError, WebSocketRejectedError])
def test_a_rejection_survives_pickling(
    kind: type[RouteRejectedError | WebSocketRejectedError],
) -> None:
    error = kind(KEY, 2.5, is_public=True)
    same = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(same) is kind
    assert (same.key, same.retry_after) == (KEY, 2.5)
    assert same.__dict__ == error.__dict__
    assert str(same) == str(error)
    assert str(same).startswith("Circuit breaker is OPEN for inventory-api")


def test_openapi_describes_the_503_where_the_route_says_so() -> None:
    before = copy.deepcopy(CIRCUIT_OPEN_RESPONSES)
    breaker, _ = make_breaker()
    app = FastAPI()
    shop_with(breaker, app, KEY)
    described = client_of(app).get("/openapi.json").json()["paths"]["/"]["get"]["responses"]["503"]
    assert described["headers"]["Retry-After"]["schema"] == {"type": "integer", "minimum": 1}
    schema = described["content"][PROBLEM]["schema"]
    trip(breaker.circuit(KEY))
    body = client_of(app).get("/").json()
    assert set(schema["required"]) <= set(body) <= set(schema["properties"])
    assert set(described["content"]) == {PROBLEM}
    assert before == CIRCUIT_OPEN_RESPONSES


def test_the_overflow_circuit_lets_the_request_in() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, max_circuits=1)
    shop_with(breaker, app, secret)
    breaker.circuit("in-use", CircuitConfig(failure_threshold=1))
    held = breaker.circuit("in-use")
    trip(held)
    assert client_of(app).get("/").status_code == 200
