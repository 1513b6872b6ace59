"""Applications mounted in the one the breaker is installed on, with error pages of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitGuard,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
    circuit,
)
from fastapi_hybrid_breaker.core.states import Outcome

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
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

IGNORING = CircuitConfig(failure_threshold=3, ignored_exceptions=(KeyError,))


def sub_application() -> FastAPI:
    sub = FastAPI(dependencies=[Depends(circuit(KEY))])

    @sub.get("/ok")
    async def ok() -> None:
        pass

    @sub.get("/raised")
    async def raised(kind: str) -> None:
        raise {"key": KeyError, "value": ValueError}[kind]

    @sub.get("/returned")
    async def returned(status: int) -> Response:
        return Response(status_code=status)

    @sub.post("/reading")
    async def reading(request: Request) -> None:
        await request.body()

    return sub


def test_a_rejection_is_answered_by_the_default_handler_as_a_503_problem() -> None:
    app = FastAPI()
    breaker, _ = make_breaker(app)
    app.mount("/sub", sub_application())
    trip(breaker.circuit(KEY))
    response = client_of(app).get("/sub/ok")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "10"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {"detail": "Circuit breaker is OPEN for inventory-api"}


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("/ok", SUCCESS),
        ("/raised?kind=value", FAILURE),
        ("/raised?kind=key", NOT_COUNTED),
        ("/returned?status=503", FAILURE),
        ("/returned?status=404", SUCCESS),
        ("/returned?status=403", NOT_COUNTED),
        ("/returned?status=what", NOT_COUNTED),
    ],
)
@pytest.mark.parametrize("own_page", [False, True])
def test_its_requests_are_judged_as_if_it_were_not_mounted(
    path: str, verdict: Outcome, own_page: bool
) -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None, defaults=IGNORING)
    sub = sub_application()
    if own_page:

        @sub.exception_handler(Exception)
        async def page(request: Request, error: Exception) -> Response:
            return PlainTextResponse("oh", 500)

    app.mount("/sub", sub)
    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/sub" + path)) is verdict


async def test_its_error_page_for_a_client_that_left_is_no_failure() -> None:
    app = FastAPI()
    breaker, clock = make_breaker(app)
    app.mount("/sub", sub_application())
    guarded = breaker.circuit(KEY)
    make_half_open(guarded, clock)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sub/reading",
        "query_string": b"",
        "headers": [],
    }
    sent: list[int] = []

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            sent.append(500)
            assert message["status"] == 500

    with pytest.raises(Exception, match=r"^$"):
        await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent == [500]
    assert guarded.state is CircuitState.HALF_OPEN
    assert guarded.stats().retry_after == 0.0


def test_the_nearest_breaker_guards_and_answers() -> None:
    app, sub = FastAPI(), sub_application()
    outer, _ = make_breaker(app)
    inner, _ = make_breaker(sub)
    app.mount("/sub", sub)

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint() -> None:
        pass

    client = client_of(app)
    trip(outer.circuit(KEY))
    assert client.get("/sub/ok").status_code == 200
    assert client.get("/").status_code == 503
    trip(inner.circuit(KEY))
    response = client.get("/sub/ok")
    assert response.status_code == 503
    assert response.json()["circuit"] == KEY
    assert verdict_of(inner.circuit(KEY), lambda: client.get("/sub/raised?kind=value")) is FAILURE


class Worsened:
    """A middleware that answers 503 whatever the application within says."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def worse(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["status"] = 503
            await send(message)

        await self.app(scope, receive, worse)


def test_a_good_answer_of_the_inner_guard_makes_the_outer_only_a_gate() -> None:
    sub = sub_application()
    around = [Middleware(CircuitGuard, key=KEY), Middleware(Worsened)]
    app = Starlette(routes=[Mount("/sub", sub, middleware=around)])
    breaker, _ = make_breaker(app)
    breaker.install(sub)
    client = client_of(app)
    assert client.get("/sub/ok").status_code == 503
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/sub/ok")) is SUCCESS


def test_a_rejection_by_the_inner_breaker_keeps_its_503_from_the_outer_circuit() -> None:
    sub = sub_application()
    inner, _ = make_breaker(sub)
    app = Starlette(routes=[Mount("/sub", sub, middleware=[Middleware(CircuitGuard, key="outer")])])
    outer, _ = make_breaker(app)
    trip(inner.circuit(KEY))
    client = client_of(app)
    assert verdict_of(outer.circuit("outer"), lambda: client.get("/sub/ok")) is NOT_COUNTED


def test_the_mount_and_the_route_in_it_share_one_permit() -> None:
    sub = sub_application()
    app = Starlette(routes=[Mount("/sub", sub, middleware=[Middleware(CircuitGuard, key=KEY)])])
    breaker, clock = make_breaker(app)
    breaker.install(sub)  # a record of its own, which knows the one further out
    guarded = breaker.circuit(KEY)
    make_half_open(guarded, clock)
    assert client_of(app).get("/sub/ok").status_code == 200
    assert guarded.state is CircuitState.CLOSED


def test_after_a_mounted_application_the_outer_record_is_back() -> None:
    async def endpoint(request: Request) -> Response:
        raise CircuitOpenError("only-declared-outside", 3.0)

    sub = Starlette(routes=[Route("/", endpoint)])
    app = Starlette(routes=[Mount("/sub", sub)])
    declared = {"only-declared-outside": CircuitConfig()}
    outer = HybridBreaker(app, redis=None, circuits=declared)
    inner, _ = make_breaker(sub)
    sub.exception_handlers.clear()  # what the inner one does not answer travels on

    async def no_page(request: Request, error: Exception) -> Response:
        raise error

    sub.exception_handlers[Exception] = no_page
    response = TestClient(app).get("/sub/")
    assert response.status_code == 503
    assert response.json()["circuit"] == "only-declared-outside"
    assert outer is not inner
