"""Guarded calls in background tasks of Starlette."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import HybridBreaker


def test_a_background_task_under_a_circuit_never_runs() -> None:
    """Starlette takes a callable for a sync one unless it can see a coroutine function."""
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None)
    done: list[str] = []

    async def send(what: str) -> None:
        done.append(what)

    guarded = breaker.circuit("mail")(send)

    @app.get("/{way}")
    async def endpoint(way: str) -> Response:
        tasks = {
            "execute": BackgroundTask(breaker.execute, "mail", send, way),
            "circuit": BackgroundTask(breaker.circuit("mail").call, send, way),
            "decorated": BackgroundTask(guarded, way),
        }
        return JSONResponse({}, background=tasks[way])

    client = TestClient(app)
    for way in ("execute", "circuit", "decorated"):
        assert client.get(f"/{way}").status_code == 200
    assert done == ["execute", "circuit", "decorated"]
