"""Applications whose lifespan does not run: circuits work, and say that they are not shared."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import HybridBreaker, circuit

from .bench import CONFIG, KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

NOWHERE = "redis://127.0.0.1:1"


def guarded(app: FastAPI) -> FastAPI:
    @app.get("/", dependencies=[Depends(circuit(KEY))])
    async def endpoint() -> str:
        return "fine"

    return app


def lifespan_off(breaker: HybridBreaker) -> TestClient:
    """As with ``uvicorn --lifespan off`` or ``Mangum(app, lifespan="off")``."""
    app = guarded(FastAPI())
    breaker.install(app)
    return TestClient(app)


def mounted(breaker: HybridBreaker) -> TestClient:
    inner, outer = guarded(FastAPI()), FastAPI()
    breaker.install(inner)
    outer.mount("/inner", inner)
    return TestClient(outer, root_path="").__enter__()


def replaced(breaker: HybridBreaker) -> TestClient:
    @contextlib.asynccontextmanager
    async def own(app: Any) -> AsyncIterator[None]:
        yield

    app = guarded(FastAPI())
    breaker.install(app)
    app.router.lifespan_context = own
    return TestClient(app).__enter__()


@pytest.mark.parametrize("make", [lifespan_off, mounted, replaced])
def test_guarded_routes_warn_once_and_health_says_it(
    make: Callable[[HybridBreaker], TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    breaker = HybridBreaker(redis=NOWHERE, defaults=CONFIG)
    client = make(breaker)
    path = "/inner/" if make is mounted else "/"
    for _ in range(5):
        assert client.get(path).status_code == 200
    client.__exit__() if make is not lifespan_off else client.close()
    lines = [one for one in caplog.records if "never been started" in one.getMessage()]
    assert [line.levelno for line in lines] == [logging.WARNING]
    health = breaker.health()
    assert (health.status, health.sync.state) == ("degraded", "disabled")
    assert "breaker.start()" in (health.sync.error or "")


def test_an_application_whose_lifespan_runs_warns_of_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = guarded(FastAPI())
    breaker = HybridBreaker(app, redis=NOWHERE, defaults=CONFIG)
    with TestClient(app) as client:
        assert client.get("/").status_code == 200
    assert "never been started" not in caplog.text
    assert breaker.sync_status().error is None
