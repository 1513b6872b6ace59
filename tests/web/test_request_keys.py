"""Keys that a callable makes of a request: a client cannot break the route, nor pick a circuit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from fastapi_hybrid_breaker import CircuitConfig, CircuitGuard, HybridBreaker, circuit
from fastapi_hybrid_breaker.web.request_keys import InvalidKeyError

from .bench import KEY, NOT_COUNTED, client_of, make_breaker, trip, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message

HOSTILE = "<script>\u202e\x1b[31m"


class Hostile(Exception):
    """An error whose text is what a client sent."""


def raises(error: BaseException) -> Callable[[Any], str]:
    def make(_: Any) -> str:
        raise error

    return make


async def _later() -> str:
    return KEY


MAKERS: dict[str, Callable[[Any], Any]] = {
    "empty": lambda _: "",
    "too long": lambda _: "x" * 257,
    "huge": lambda _: HOSTILE * 100_000,
    "control characters": lambda _: f"a\r\nb{HOSTILE}",
    "NUL": lambda _: "a\x00",
    "dot": lambda _: ".",
    "dots": lambda _: "..",
    "dot segment": lambda _: "a/../b",
    "own path": lambda _: "-/health",
    "own path inside": lambda _: f"{HOSTILE}-/x",
    "surrogate": lambda _: "\ud800",
    "None": lambda _: None,
    "number": lambda _: 5,
    "bytes": lambda _: b"tenant",
    "list": lambda _: ["tenant"],
    "coroutine": lambda _: _later(),
    "KeyError": lambda connection: connection.headers["x-tenant"],
    "ValueError": raises(ValueError(HOSTILE)),
    "UnicodeError": lambda _: b"\xff".decode(),
    "RecursionError": raises(RecursionError()),
    "own error": raises(Hostile(HOSTILE)),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def check_problem(response: Any) -> None:
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["title"]) == (400, "Bad Request")
    assert "script" not in response.text
    assert len(response.text) < 300


@makers
def test_an_invalid_key_of_a_request_was_a_500_with_a_traceback_each_time(
    make: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    @app.get("/", dependencies=[Depends(circuit(KEY)), Depends(circuit(make))])
    async def endpoint() -> None: ...

    client = client_of(app)
    with caplog.at_level(logging.DEBUG, "fastapi_hybrid_breaker"):
        for _ in range(50):
            check_problem(client.get("/"))
    (line,) = [
        record.getMessage() for record in caplog.records if record.name.startswith("fastapi_")
    ]
    assert "a request was refused" in line
    assert "script" not in line
    assert len(line) < 400
    assert caplog.records[0].exc_info is None
    assert [one.key for one in breaker.circuits()] == [KEY]
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/")) is NOT_COUNTED


@makers
def test_an_invalid_key_is_a_400_in_starlette_and_in_mounted_applications(
    make: Callable[[Any], Any],
) -> None:
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse("ok")

    guard = [Middleware(CircuitGuard, key=make)]
    inner = FastAPI()

    @inner.get("/", dependencies=[Depends(circuit(make))])
    async def mounted() -> None: ...

    app = Starlette(
        routes=[
            Route("/route", endpoint, middleware=guard),
            Mount("/mount", Starlette(routes=[Route("/", endpoint)]), middleware=guard),
            Mount("/inner", inner),
        ]
    )
    make_breaker(app)
    client = client_of(app)
    check_problem(client.get("/route"))
    check_problem(client.get("/mount/"))
    answer = client.get("/inner/")  # by its own default handler, which makes less of it
    assert answer.status_code == 400
    assert "script" not in answer.text


@makers
def test_a_websocket_with_an_invalid_key_is_denied(make: Callable[[Any], Any]) -> None:
    app = FastAPI()
    make_breaker(app)

    @app.websocket("/fastapi", dependencies=[Depends(circuit(make))])
    async def of_fastapi(websocket: WebSocket) -> None:
        raise AssertionError

    async def of_starlette(websocket: WebSocket) -> None:
        raise AssertionError

    guard = [Middleware(CircuitGuard, key=make)]
    app.router.routes.append(WebSocketRoute("/starlette", of_starlette, middleware=guard))
    client = TestClient(app)
    for path in ("/fastapi", "/starlette"):
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(path):
            pass
        check_problem(denied.value)


@pytest.mark.parametrize("path", ["/fastapi", "/starlette"])
async def test_a_websocket_that_cannot_be_denied_is_closed(path: str) -> None:
    app = FastAPI()
    make_breaker(app)

    @app.websocket("/fastapi", dependencies=[Depends(circuit(lambda _: ""))])
    async def of_fastapi(websocket: WebSocket) -> None:
        raise AssertionError

    async def of_starlette(websocket: WebSocket) -> None:
        raise AssertionError

    guard = [Middleware(CircuitGuard, key=lambda _: "")]
    app.router.routes.append(WebSocketRoute("/starlette", of_starlette, middleware=guard))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": path, "headers": [], "query_string": b"", "app": app}
    await app(scope, receive, send)
    assert [(one["type"], one["code"]) for one in sent] == [("websocket.close", 1008)]


def test_what_the_application_answers_by_itself_stays_its_answer() -> None:
    app = FastAPI()
    make_breaker(app)
    makers = {"/teapot": HTTPException(418), "/own": Hostile("x")}
    for path, error in makers.items():
        app.get(path, dependencies=[Depends(circuit(raises(error)))])(lambda: None)

    @app.exception_handler(Hostile)
    async def handle(_: Request, __: Exception) -> Response:
        return PlainTextResponse("mine", 422)

    client = client_of(app)
    assert client.get("/teapot").status_code == 418
    assert (client.get("/own").status_code, client.get("/own").text) == (422, "mine")


def test_an_application_may_answer_invalid_keys_in_its_own_way() -> None:
    app = FastAPI()

    @app.exception_handler(InvalidKeyError)
    async def handle(_: Request, __: Exception) -> Response:
        return PlainTextResponse("who are you?", 401)

    make_breaker(app)
    app.get("/", dependencies=[Depends(circuit(lambda _: ""))])(lambda: None)
    assert client_of(app).get("/").status_code == 401


# -- naming a circuit of the code ----------------------------------------------------------------


def by_tenant(connection: Any) -> str:
    return str(connection.headers["x-tenant"])


def named_by_client(*, allow_declared: bool) -> tuple[HybridBreaker, TestClient]:
    app = FastAPI()
    circuits = {"declared": CircuitConfig(), "tenant:*": CircuitConfig(failure_threshold=9)}
    breaker = HybridBreaker(app, redis=None, circuits=circuits)
    guard = circuit(by_tenant, allow_declared=allow_declared)
    of_starlette = Middleware(CircuitGuard, key=by_tenant, allow_declared=allow_declared)

    async def endpoint() -> None:
        raise ConnectionError

    async def starlette_endpoint(_: Request) -> Response:
        raise ConnectionError

    app.get("/", dependencies=[Depends(guard)])(endpoint)
    app.get("/fixed", dependencies=[Depends(circuit("at a route"))])(endpoint)
    app.router.routes.append(Route("/starlette", starlette_endpoint, middleware=[of_starlette]))
    breaker.transport(_Inner(), circuit="at a transport")
    return breaker, client_of(app)


class _Inner:
    def handle_request(self, request: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize("path", ["/", "/starlette"])
@pytest.mark.parametrize("key", ["declared", "at a route", "at a transport"])
def test_a_client_could_open_a_circuit_of_the_code_by_its_name(path: str, key: str) -> None:
    breaker, client = named_by_client(allow_declared=False)
    for _ in range(9):
        check_problem(client.get(path, headers={"x-tenant": key}))
    assert breaker.state(key) == "CLOSED"
    assert client.get(path, headers={"x-tenant": "tenant:a"}).status_code == 500
    assert breaker.stats("tenant:a").failures == 1


@pytest.mark.parametrize("path", ["/", "/starlette"])
@pytest.mark.parametrize("key", ["declared", "at a route", "at a transport"])
def test_the_code_may_say_that_a_callable_names_its_circuits(path: str, key: str) -> None:
    breaker, client = named_by_client(allow_declared=True)
    assert client.get(path, headers={"x-tenant": key}).status_code == 500
    assert breaker.stats(key).failures == 1
    trip(breaker.circuit(key))
    assert client.get(path, headers={"x-tenant": key}).status_code == 503


def test_the_refusal_says_what_to_write(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    HybridBreaker(app, redis=None, circuits={KEY: CircuitConfig()})

    def by_client(connection: Any) -> str:
        return str(connection.headers["x-tenant"])

    app.get("/", dependencies=[Depends(circuit(by_client))])(lambda: None)
    check_problem(client_of(app).get("/", headers={"x-tenant": KEY}))
    assert "by_client" in caplog.text
    assert "allow_declared=True" in caplog.text


def test_guards_are_equal_where_all_that_they_say_is() -> None:
    assert circuit(by_tenant) is circuit(by_tenant)
    assert circuit(by_tenant) != circuit(by_tenant, allow_declared=True)
    assert circuit(by_tenant, allow_declared=True) is circuit(by_tenant, allow_declared=True)


def test_a_disconnected_websocket_is_no_invalid_key() -> None:
    app = FastAPI()
    make_breaker(app)

    @app.websocket("/", dependencies=[Depends(circuit(by_tenant))])
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(3000)

    with (
        TestClient(app).websocket_connect("/", headers={"x-tenant": "a"}) as socket,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        socket.receive_text()
    assert closed.value.code == 3000
