"""Clients, servers and applications that end a request in unusual ways."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import starlette
from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitGuard,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
    circuit,
)
from tests import inside

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    arm,
    client_of,
    make_breaker,
    make_half_open,
    read,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message, Receive, Scope, Send

    from fastapi_hybrid_breaker.core.states import Outcome

GUARDED = [Depends(circuit(KEY))]
IGNORING = CircuitConfig(failure_threshold=9, ignored_exceptions=(KeyError,))


# -- bodies that are too large: the limit stands outside of the user's middleware ---------------


def oversized() -> Iterator[bytes]:
    for _ in range(5):
        yield b"xxxxx"


@pytest.mark.parametrize("content", [b"x" * 100, None], ids=["announced", "in chunks"])
def test_a_body_that_is_too_large_does_not_count_against_the_route(content: bytes | None) -> None:
    app = FastAPI(max_body_size=10)
    breaker, _ = make_breaker(app)

    @app.post("/", dependencies=GUARDED)
    async def endpoint(request: Request) -> StreamingResponse:
        return StreamingResponse(request.stream())

    def post() -> None:
        client_of(app).post("/", content=content or oversized())

    assert verdict_of(breaker.circuit(KEY), post) is not FAILURE


def test_a_body_that_is_too_large_is_the_clients_fault_on_starlette_too() -> None:
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse("ok")

    guard = Middleware(CircuitGuard, key=KEY)
    app = Starlette(
        routes=[Route("/", endpoint, methods=["POST"], middleware=[guard])], max_body_size=10
    )
    breaker, _ = make_breaker(app)
    client = client_of(app)
    for _ in range(3):
        assert client.post("/", content=b"x" * 100).status_code == 413
    assert breaker.state(KEY) is CircuitState.CLOSED
    assert starlette.__version__  # the limit is younger than the oldest release we run on


# -- guards on mounts, whose applications have error pages of their own --------------------------


def mounted() -> tuple[Starlette, HybridBreaker, FastAPI]:
    inner = FastAPI()

    @inner.get("/ignored")
    async def ignored() -> None:
        raise KeyError

    @inner.get("/broken")
    async def broken() -> None:
        raise ValueError

    @inner.post("/reading")
    async def reading(request: Request) -> None:
        await request.body()

    app = Starlette(routes=[Mount("/in", inner, middleware=[Middleware(CircuitGuard, key=KEY)])])
    return app, HybridBreaker(app, redis=None, defaults=IGNORING), inner


@pytest.mark.parametrize("has_own_breaker", [False, True])
@pytest.mark.parametrize(("path", "verdict"), [("ignored", NOT_COUNTED), ("broken", FAILURE)])
def test_the_exception_behind_a_mounted_apps_error_page_counts_and_not_the_page(
    path: str, verdict: object, has_own_breaker: bool
) -> None:
    app, breaker, inner = mounted()
    if has_own_breaker:
        HybridBreaker(inner, redis=None)
    assert verdict_of(breaker.circuit(KEY), lambda: client_of(app).get(f"/in/{path}")) is verdict


async def test_a_client_that_leaves_a_mounted_app_does_not_count_against_its_guard() -> None:
    app, breaker, _ = mounted()
    guarded = breaker.circuit(KEY)
    arm(guarded)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Nobody listens."""

    with pytest.raises(ClientDisconnect):
        await app(http("/in/reading", "POST"), receive, send)
    assert read(guarded) is NOT_COUNTED


@pytest.mark.parametrize("is_mounted", [False, True])
@pytest.mark.parametrize("kind", ["raises", "calls"])
def test_what_follows_a_returned_503_does_not_change_its_verdict(
    is_mounted: bool, kind: str
) -> None:
    app = FastAPI()
    target = FastAPI() if is_mounted else app
    breaker = HybridBreaker(app, redis=None, defaults=IGNORING)
    guarded = breaker.circuit(KEY)

    async def later() -> None:
        if kind == "raises":
            raise KeyError
        guarded.call_sync(int)

    @target.get("/", dependencies=GUARDED)
    async def endpoint() -> Response:
        return Response(status_code=503, background=BackgroundTask(later))

    if is_mounted:
        app.mount("/in", target)
    arm(guarded)
    seen: list[int] = []
    inside.mark_guarded_by_route(guarded)
    client_of(app).get("/in/" if is_mounted else "/")
    seen.append(guarded.stats().failures)
    assert seen == [2 if kind == "raises" else 0]  # counted, and then perhaps ended by a success


# -- servers that nobody listens to any more -----------------------------------------------------


def http(path: str, method: str = "GET") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}


async def test_all_that_a_gone_socket_makes_send_raise_is_leaving() -> None:
    async def chat(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        async with asyncio.TaskGroup() as group:
            for text in "ab":
                group.create_task(send({"type": "websocket.send", "text": text}))  # type: ignore[arg-type]

    app = Starlette(routes=[Mount("/ws", chat, middleware=[Middleware(CircuitGuard, key=KEY)])])
    breaker, _ = make_breaker(app)
    guarded = breaker.circuit(KEY)
    arm(guarded)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            await asyncio.sleep(0)
            raise OSError("gone")

    scope = {"type": "websocket", "path": "/ws/", "query_string": b"", "headers": []}
    with pytest.raises(ExceptionGroup):
        await app(scope, receive, send)
    assert read(guarded) is SUCCESS


async def test_a_cleanup_that_sends_to_a_gone_client_does_not_hide_the_first_error() -> None:
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        part = {"type": "http.response.body", "body": b"x", "more_body": True}
        try:
            await send(part)
        finally:
            try:
                await send(part)
            except OSError:
                pass

    app = Starlette(routes=[Mount("/x", raw, middleware=[Middleware(CircuitGuard, key=KEY)])])
    breaker, _ = make_breaker(app)
    guarded = breaker.circuit(KEY)
    arm(guarded)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await app(http("/x/"), receive, send)
    assert read(guarded) is SUCCESS


# -- groups of errors ------------------------------------------------------------------------------


class OwnGroup(ExceptionGroup[Exception]):
    """A class of groups that a configuration can name."""


class HollowGroup(ExceptionGroup[Exception]):
    """What it holds cannot be read."""

    @property
    def exceptions(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError


class SpoiltGroup(ExceptionGroup[Exception]):
    def derive(self, excs: Any) -> Any:
        raise RuntimeError("never asked")


def test_an_ignored_class_of_groups_is_ignored_on_routes() -> None:
    config = CircuitConfig(failure_threshold=3, ignored_exceptions=(OwnGroup,))
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, defaults=config)

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> None:
        raise OwnGroup("own", [ValueError()])

    assert verdict_of(breaker.circuit(KEY), lambda: client_of(app).get("/")) is NOT_COUNTED


@pytest.mark.parametrize("kind", ["SpoiltGroup", "HollowGroup"])
def test_a_group_that_cannot_be_taken_apart_leaks_no_probe(kind: str) -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> None:
        raise {"SpoiltGroup": SpoiltGroup, "HollowGroup": HollowGroup}[kind](kind, [ValueError()])

    make_half_open(breaker.circuit(KEY), clock)
    client_of(app).get("/")
    assert breaker.state(KEY) is CircuitState.OPEN


# -- rejections and keys ---------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "outcome"), [(503, NOT_COUNTED), (502, FAILURE)])
def test_a_rejection_by_a_breaker_that_no_app_has_may_be_what_a_503_passes_on(
    status: int, outcome: Outcome
) -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    other, _ = make_breaker()
    trip(other.circuit("upstream"))

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> Response:
        try:
            other.circuit("upstream").call_sync(int)
        except CircuitOpenError:
            return Response(status_code=status)
        return Response()

    assert verdict_of(breaker.circuit(KEY), lambda: client_of(app).get("/")) is outcome


def test_a_rejection_in_an_executor_that_becomes_a_503_is_no_verdict() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    upstream = breaker.circuit("upstream")
    trip(upstream)

    @app.get("/", dependencies=GUARDED)
    async def endpoint() -> None:
        await asyncio.get_running_loop().run_in_executor(None, upstream.call_sync, int)

    def get() -> None:
        assert client_of(app).get("/").status_code == 503

    assert verdict_of(breaker.circuit(KEY), get) is NOT_COUNTED


def test_a_key_that_cannot_be_made_of_a_request_counts_against_nobody() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    by_tenant = circuit(lambda connection: connection.headers.get("x-tenant", ""))

    @app.get("/", dependencies=[*GUARDED, Depends(by_tenant)])
    async def endpoint() -> None: ...

    def get() -> None:
        assert client_of(app).get("/").status_code == 400

    assert verdict_of(breaker.circuit(KEY), get) is NOT_COUNTED


def test_an_object_with_an_async_call_makes_no_keys() -> None:
    class Key:
        async def __call__(self, connection: object) -> str:
            return KEY

    with pytest.raises(TypeError, match="a key, or a callable that returns one"):
        circuit(Key())  # type: ignore[arg-type]
