"""Installing: the lifespan around the application's own, and only once."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import HybridBreaker, circuit

from .bench import CONFIG, KEY, SUCCESS, client_of, make_breaker, trip, verdict_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp


class Telling(HybridBreaker):
    """Writes down when it starts and stops."""

    def __init__(self, app: Starlette | None = None) -> None:
        self.events: list[str] = []
        super().__init__(app, redis=None, defaults=CONFIG)

    async def start(self) -> None:
        self.events.append("breaker starts")
        await super().start()

    async def stop(self) -> None:
        self.events.append("breaker stops")
        await super().stop()


async def endpoint(request: Request) -> Response:
    return PlainTextResponse(str(request.state.found))


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
def test_the_breaker_starts_before_the_application_and_stops_after_it(
    kind: Callable[..., Starlette],
) -> None:
    breaker = Telling()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        breaker.events.append("application starts")
        yield {"found": "state"}
        breaker.events.append("application stops")

    app = kind(lifespan=lifespan)
    app.router.add_route("/", endpoint)
    breaker.install(app)
    with TestClient(app) as client:
        assert client.get("/").text == "state"
        breaker.events.append("serving")
    assert breaker.events == [
        "breaker starts",
        "application starts",
        "serving",
        "application stops",
        "breaker stops",
    ]


def test_it_stops_when_the_application_fails_to_start() -> None:
    breaker = Telling()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise ValueError("no start")
        yield

    app = FastAPI(lifespan=lifespan)
    breaker.install(app)
    with pytest.raises(ValueError, match="no start"), TestClient(app):
        pass
    assert breaker.events == ["breaker starts", "breaker stops"]


def test_event_handlers_and_lifespans_of_included_routers_go_on_working() -> None:
    breaker = Telling()

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        breaker.events.append("router starts")
        yield
        breaker.events.append("router stops")

    app = FastAPI(
        on_startup=[lambda: breaker.events.append("application starts")],
        on_shutdown=[lambda: breaker.events.append("application stops")],
    )
    breaker.install(app)
    app.include_router(APIRouter(lifespan=lifespan))
    with TestClient(app):
        pass
    assert breaker.events == [
        "breaker starts",
        "application starts",
        "router starts",
        "router stops",
        "application stops",
        "breaker stops",
    ]


def test_installing_twice_changes_nothing() -> None:
    app = FastAPI()
    breaker = Telling(app)
    stack = list(app.user_middleware)
    handlers = dict(app.exception_handlers)
    breaker.install(app)
    assert app.user_middleware == stack
    assert app.exception_handlers == handlers
    with TestClient(app) as client:
        client.get("/")
        breaker.install(app)  # harmless even while it serves
    assert breaker.events == ["breaker starts", "breaker stops"]


def test_its_own_lifespan_beside_install_warns_once_and_ends_even(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaker = Telling()
    app = FastAPI(lifespan=breaker.lifespan)
    breaker.install(app)
    for _ in range(2):
        app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
        with TestClient(app):
            assert breaker.events == ["breaker starts"] * 2
        assert len(caplog.records) == 1
        with TestClient(app):
            pass
    assert len(caplog.records) == 2
    assert breaker.events == (["breaker starts"] * 2 + ["breaker stops"] * 2) * 2


async def test_it_is_an_error_once_the_application_serves() -> None:
    app = FastAPI()
    client_of(app).get("/")
    with pytest.raises(RuntimeError, match="has begun to serve"):
        make_breaker(app)


def test_without_a_lifespan_the_guard_works_on_memory_alone() -> None:
    app = FastAPI()
    breaker = Telling(app)

    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def guarded() -> None:
        pass

    client = client_of(app)
    assert verdict_of(breaker.circuit(KEY), lambda: client.get("/")) is SUCCESS
    trip(breaker.circuit(KEY))
    assert client.get("/").status_code == 503
    assert breaker.events == []


def test_one_breaker_serves_two_applications() -> None:
    first, second = FastAPI(), FastAPI()
    breaker = Telling(first)
    breaker.install(second)
    for app in (first, second):
        app.get("/", dependencies=[Depends(circuit(KEY))])(lambda: None)
    trip(breaker.circuit(KEY))
    assert client_of(first).get("/").status_code == 503
    assert client_of(second).get("/").status_code == 503


def test_the_middleware_is_the_innermost() -> None:
    class Own:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

    app = FastAPI()
    make_breaker(app)
    app.add_middleware(Own)  # type: ignore[arg-type]
    names = [getattr(one.cls, "__name__", "") for one in app.user_middleware]
    assert names == ["Own", "CircuitMiddleware"]
