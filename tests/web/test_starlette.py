"""Plain Starlette: ``CircuitGuard`` on routes, routers and mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastapi_hybrid_breaker import CircuitGuard, CircuitState, NotInstalledError

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    client_of,
    make_breaker,
    make_half_open,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from fastapi_hybrid_breaker.core.states import Outcome

GUARDED = [Middleware(CircuitGuard, key=KEY)]

PROBLEM = "application/problem+json"


async def endpoint(request: Request) -> Response:
    if "raise" in request.query_params:
        raise ValueError
    if "http" in request.query_params:
        raise HTTPException(int(request.query_params["http"]))
    return PlainTextResponse("ok", int(request.query_params.get("status", "200")))


def sync_endpoint(request: Request) -> Response:
    if "raise" in request.query_params:
        raise ValueError
    return PlainTextResponse("ok", int(request.query_params.get("status", "200")))


class Endpoint(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return await endpoint(request)


ROUTES: dict[str, BaseRoute] = {
    "route": Route("/", endpoint, middleware=GUARDED),
    "sync route": Route("/", sync_endpoint, middleware=GUARDED),
    "class": Route("/", Endpoint, middleware=GUARDED),
    "mount": Mount("/", routes=[Route("/", endpoint)], middleware=GUARDED),
    "router": Mount("/", Router([Route("/", endpoint)], middleware=GUARDED)),
    "both": Mount("/", routes=[Route("/", endpoint, middleware=GUARDED)], middleware=GUARDED),
    "application": Mount("/", Starlette(routes=[Route("/", endpoint, middleware=GUARDED)])),
}


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        ("", SUCCESS),
        ("status=404", SUCCESS),
        ("status=403", NOT_COUNTED),
        ("status=502", FAILURE),
        ("raise", FAILURE),
    ],
)
def test_the_verdict_of_a_guarded_route(route: BaseRoute, query: str, verdict: Outcome) -> None:
    app = Starlette(routes=[route])
    breaker, _ = make_breaker(app)
    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/?" + query)) is verdict


@pytest.mark.parametrize("route", ROUTES.values(), ids=ROUTES)
def test_an_open_circuit_answers_and_a_probe_closes_it(route: BaseRoute) -> None:
    app = Starlette(routes=[route])
    breaker, clock = make_breaker(app)
    client = client_of(app)
    guarded = breaker.circuit(KEY)
    trip(guarded)
    response = client.get("/")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "10"
    assert response.headers["content-type"] == PROBLEM
    assert response.json()["circuit"] == KEY
    clock.advance(10)
    assert client.get("/").text == "ok"
    assert guarded.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    ("status", "verdict"), [(404, SUCCESS), (403, NOT_COUNTED), (500, FAILURE)]
)
def test_the_verdict_is_the_status_that_a_handler_made(status: int, verdict: Outcome) -> None:
    app = Starlette(routes=[ROUTES["route"]])
    breaker, _ = make_breaker(app)
    client = client_of(app)
    act = lambda: client.get(f"/?http={status}")  # noqa: E731
    assert verdict_of(breaker.circuit(KEY), act) is verdict


def test_in_a_mounted_fastapi_application_the_problem_is_whole() -> None:
    sub = FastAPI()
    sub.router.routes.append(Route("/", endpoint, middleware=GUARDED))
    app = FastAPI()
    breaker, _ = make_breaker(app)
    app.mount("/sub", sub)
    trip(breaker.circuit(KEY))
    response = client_of(app).get("/sub/")
    assert (response.status_code, response.headers["content-type"]) == (503, PROBLEM)
    assert response.json()["circuit"] == KEY


def test_the_applications_own_handler_of_rejections_is_asked() -> None:
    from fastapi_hybrid_breaker import CircuitOpenError  # noqa: PLC0415

    async def own(request: Request, error: Exception) -> Response:
        return PlainTextResponse("own", 503)

    app = Starlette(routes=[ROUTES["route"]], exception_handlers={CircuitOpenError: own})
    breaker, _ = make_breaker(app)
    trip(breaker.circuit(KEY))
    assert client_of(app).get("/").text == "own"


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()


@pytest.mark.parametrize("mounted", [False, True])
def test_a_socket_is_guarded(mounted: bool) -> None:
    routes: list[BaseRoute] = [WebSocketRoute("/", socket, middleware=GUARDED)]
    app = Starlette(routes=[Mount("/", Starlette(routes=routes))] if mounted else routes)
    breaker, clock = make_breaker(app)
    guarded = breaker.circuit(KEY)
    trip(guarded)
    client = TestClient(app)
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/"):
        pass
    assert denied.value.status_code == 503
    assert denied.value.json()["circuit"] == KEY
    clock.advance(10)
    with pytest.raises(WebSocketDisconnect):  # what the endpoint raises when the client leaves
        with client.websocket_connect("/"):
            pass
    assert guarded.state is CircuitState.CLOSED


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_socket_is_closed_on_a_server_that_cannot_deny(mounted: bool) -> None:
    routes: list[BaseRoute] = [WebSocketRoute("/", socket, middleware=GUARDED)]
    app = Starlette(routes=[Mount("/", Starlette(routes=routes))] if mounted else routes)
    breaker, _ = make_breaker(app)
    trip(breaker.circuit(KEY))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert [(one["type"], one["code"]) for one in sent] == [("websocket.close", 1013)]


def test_the_key_may_be_made_of_the_connection() -> None:
    def by_shop(connection: HTTPConnection) -> str:
        return f"shop:{connection.path_params['shop']}"

    guarded = [Middleware(CircuitGuard, key=by_shop)]
    app = Starlette(routes=[Route("/{shop}", endpoint, middleware=guarded)])
    breaker, clock = make_breaker(app)
    client = client_of(app)
    make_half_open(breaker.circuit("shop:north"), clock)
    trip(breaker.circuit("shop:south"))
    assert client.get("/north").status_code == 200
    assert breaker.state("shop:north") is CircuitState.CLOSED
    rejected = client.get("/south")
    assert rejected.status_code == 503
    assert "south" not in rejected.text


async def test_what_is_no_connection_passes_through() -> None:
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    await CircuitGuard(app, key=KEY)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize("installed", [False, True])
def test_as_the_applications_own_middleware_it_says_where_it_belongs(installed: bool) -> None:
    app = Starlette(routes=[Route("/", endpoint)], middleware=GUARDED)
    if installed:
        make_breaker(app)
    with pytest.raises(NotInstalledError, match="a guard belongs on a route"):
        TestClient(app).get("/")


def test_a_key_that_names_no_circuit_is_refused_when_the_routes_are_built() -> None:
    with pytest.raises(ValueError, match="1 to 256 characters"):
        Route("/", endpoint, middleware=[Middleware(CircuitGuard, key="")])
