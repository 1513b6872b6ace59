"""The middleware: one record per request, settled once, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.requests import ClientDisconnect, HTTPConnection

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, CircuitState, circuit
from fastapi_hybrid_breaker.circuits.context import current_request
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.web.middleware import CircuitMiddleware
from fastapi_hybrid_breaker.web.record import SCOPE_KEY

from .bench import (
    FAILURE,
    KEY,
    NOT_COUNTED,
    SUCCESS,
    arm,
    calm,
    client_of,
    make_breaker,
    make_half_open,
    read,
    read_calm,
    trip,
    verdict_of,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

GUARD = circuit(KEY)

SCOPE: dict[str, Any] = {"type": "http", "path": "/", "headers": []}


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def drop(message: Message) -> None:
    pass


def admitting(inner: ASGIApp) -> ASGIApp:
    """Make a bare ASGI application that is guarded and then goes on as ``inner``."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        GUARD.admit(HTTPConnection(scope))
        await inner(scope, receive, send)

    return app


def calling(inner: ASGIApp) -> ASGIApp:
    """Make one that is guarded as FastAPI has it done, by calling the dependency."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await GUARD(HTTPConnection(scope))
        await inner(scope, receive, send)

    return app


async def run(inner: ASGIApp, send: Send = drop) -> Outcome:
    """Return what one request to ``inner`` says, whatever it raises."""
    breaker, _ = make_breaker()
    guarded = breaker.circuit(KEY)

    async def request() -> None:
        try:
            await CircuitMiddleware(calling(inner), breaker)(dict(SCOPE), receive, send)
        except (Exception, asyncio.CancelledError):
            assert current_request() is None

    arm(guarded)
    await request()
    verdict = read(guarded)
    calm(guarded)
    await request()
    read_calm(guarded, verdict)
    return verdict


async def start(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (None, None, NOT_COUNTED),
        (None, ClientDisconnect(), NOT_COUNTED),
        (None, asyncio.CancelledError(), NOT_COUNTED),
        (None, ExceptionGroup("both", [ClientDisconnect()]), NOT_COUNTED),
        (None, ValueError(), FAILURE),
        (None, ExceptionGroup("both", [ClientDisconnect(), ValueError()]), FAILURE),
        (200, None, SUCCESS),
        (200, ClientDisconnect(), SUCCESS),
        (200, asyncio.CancelledError(), SUCCESS),
        (200, ValueError(), FAILURE),
        (404, None, SUCCESS),
        (404, ClientDisconnect(), SUCCESS),
        (403, None, NOT_COUNTED),
        (403, ClientDisconnect(), NOT_COUNTED),
        (404, ValueError(), FAILURE),
        (503, None, FAILURE),
        (503, ClientDisconnect(), FAILURE),
        (503, asyncio.CancelledError(), FAILURE),
    ],
)
async def test_a_body_without_an_end_is_judged_when_the_application_is_left(
    status: int | None, error: BaseException | None, outcome: Outcome
) -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if status is not None:
            await start(send, status)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        if error is not None:
            raise error

    assert await run(inner) is outcome


@pytest.mark.parametrize(
    "last",
    [
        {"type": "http.response.body", "body": b"x"},
        {"type": "http.response.body", "body": b"x", "more_body": False},
        {"type": "http.response.pathsend", "path": "/file"},
    ],
)
@pytest.mark.parametrize(("status", "outcome"), [(200, SUCCESS), (503, FAILURE)])
async def test_it_settles_before_the_last_message_is_sent(
    last: dict[str, Any], status: int, outcome: Outcome
) -> None:
    breaker, _ = make_breaker()
    guarded = breaker.circuit(KEY)
    seen: list[Outcome] = []

    async def send(message: Message) -> None:
        seen.append(read(guarded))

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status)
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send(last)
        raise ValueError("after the end, as of a background task")

    arm(guarded)
    with pytest.raises(ValueError, match="after the end"):
        await CircuitMiddleware(admitting(inner), breaker)(dict(SCOPE), receive, send)
    assert seen == [NOT_COUNTED, NOT_COUNTED, outcome]
    assert read(guarded) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, SUCCESS), (404, SUCCESS), (429, NOT_COUNTED)]
)
async def test_an_error_of_the_servers_send_is_the_clients_leaving(
    status: int, outcome: Outcome
) -> None:
    async def send(message: Message) -> None:
        raise BrokenPipeError

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, status)

    assert await run(inner, send) is outcome


async def test_an_os_error_of_the_application_is_a_failure() -> None:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 200)
        raise ConnectionResetError("by the upstream")

    assert await run(inner) is FAILURE


async def test_a_guard_that_admits_after_the_end_of_the_body_still_gives_its_permit_back() -> None:
    breaker, clock = make_breaker()
    guarded = breaker.circuit(KEY)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, 404)
        await send({"type": "http.response.body"})
        GUARD.admit(HTTPConnection(scope))

    make_half_open(guarded, clock)
    await CircuitMiddleware(app, breaker)(dict(SCOPE), receive, drop)
    assert guarded.stats().retry_after == 0.0


async def test_what_is_no_connection_passes_through_untouched() -> None:
    breaker, _ = make_breaker()
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([scope, send])

    scope = {"type": "lifespan"}
    await CircuitMiddleware(app, breaker)(scope, receive, drop)
    assert seen == [{"type": "lifespan"}, drop]


async def test_the_callers_context_is_as_it_was() -> None:
    breaker, _ = make_breaker()
    inside: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(current_request())

    scope = dict(SCOPE)
    await CircuitMiddleware(app, breaker)(scope, receive, drop)
    assert inside == [scope[SCOPE_KEY].shared]
    assert current_request() is None


async def test_a_request_that_is_dropped_in_another_context_gives_its_probe_back() -> None:
    breaker, clock = make_breaker()
    guarded = breaker.circuit(KEY)

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.get_running_loop().create_future()

    make_half_open(guarded, clock)
    request = CircuitMiddleware(admitting(inner), breaker)(dict(SCOPE), receive, drop)
    contextvars.Context().run(request.send, None)
    assert guarded.stats().retry_after == 1.0
    request.close()
    assert guarded.stats().retry_after == 0.0
    assert guarded.state is CircuitState.HALF_OPEN


async def test_a_rejection_in_a_context_of_its_own_is_known_to_the_request() -> None:
    breaker, _ = make_breaker()
    guarded = breaker.circuit(KEY)
    trip(breaker.circuit("second"))

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        async def turned_away() -> None:
            with pytest.raises(CircuitOpenError):
                circuit("second").admit(HTTPConnection(scope))

        context = contextvars.Context()
        await asyncio.get_running_loop().create_task(turned_away(), context=context)
        await start(send, 503)
        await send({"type": "http.response.body"})

    arm(guarded)
    await CircuitMiddleware(admitting(inner), breaker)(dict(SCOPE), receive, drop)
    assert read(guarded) is NOT_COUNTED


def test_a_middleware_further_in_that_copies_the_scope_loses_nothing() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)

    class Copying:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(dict(scope), receive, send)

    app.router.middleware_stack = Copying(app.router.middleware_stack)

    @app.get("/", dependencies=[Depends(GUARD)])
    async def endpoint() -> None:
        raise ValueError

    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/")) is FAILURE


def test_an_ignored_exception_gives_no_verdict() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    config = breaker.circuit(KEY).config
    config = type(config)(failure_threshold=3, ignored_exceptions=(KeyError,))
    ignoring = breaker.circuit("ignoring", config)

    @app.get("/", dependencies=[Depends(circuit("ignoring"))])
    async def endpoint(kind: str) -> None:
        raise {"key": KeyError, "value": ValueError}[kind]

    client = client_of(app)
    assert verdict_of(ignoring, lambda: client.get("/?kind=key")) is NOT_COUNTED
    assert verdict_of(ignoring, lambda: client.get("/?kind=value")) is FAILURE


def test_an_exception_that_is_an_answer_is_a_success() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    config = CircuitConfig(failure_threshold=3, success_exceptions=(KeyError,))
    answering = breaker.circuit("answering", config)

    @app.get("/", dependencies=[Depends(circuit("answering"))])
    async def endpoint(kind: str) -> None:
        raise {"key": KeyError, "value": ValueError}[kind]

    client = client_of(app)
    assert verdict_of(answering, lambda: client.get("/?kind=key")) is SUCCESS
    assert verdict_of(answering, lambda: client.get("/?kind=value")) is FAILURE
