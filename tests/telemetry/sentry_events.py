"""A program: has guarded routes reject requests, and prints what Sentry would have been sent.

In a process of its own, since Sentry's integrations change classes of FastAPI and Starlette.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

import sentry_sdk
from fastapi import Depends, FastAPI
from sentry_sdk.transport import Transport
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitGuard,
    CircuitOpenError,
    HybridBreaker,
    circuit,
)

sent: list[str] = []


class Recording(Transport):
    """Sends nothing, and keeps the types of errors."""

    def capture_envelope(self, envelope: Any) -> None:
        events = [item.payload.json for item in envelope.items if item.type == "event"]
        sent.extend(event["exception"]["values"][-1]["type"] for event in events)


def make_app(breaker: HybridBreaker) -> Starlette:
    api = FastAPI()

    @api.get("/dependency", dependencies=[Depends(circuit("x"))])
    async def by_a_dependency() -> None: ...

    @api.get("/sync", dependencies=[Depends(circuit("x"))])
    def in_a_thread() -> None: ...

    @api.get("/broken")
    async def broken() -> None:
        raise RuntimeError("no rejection")

    async def page(_: object) -> Response:
        return Response(await breaker.circuit("x").call(asyncio.sleep, 0, b""))

    guard = Middleware(CircuitGuard, key="x")
    app = Starlette(
        routes=[
            Route("/guard", page, middleware=[guard]),
            Route("/call", page),
            Mount("/mounted", FastAPI(routes=list(api.routes))),
            Mount("/", api),
        ]
    )
    breaker.install(app)
    return app


def main(options: str) -> None:
    sentry_sdk.init(
        dsn="http://key@127.0.0.1/1",
        transport=Recording,
        **eval(f"dict({options})", {"CircuitOpenError": CircuitOpenError}),  # noqa: S307
    )
    breaker = HybridBreaker(redis=None, defaults=CircuitConfig(failure_threshold=1))
    client = TestClient(make_app(breaker), raise_server_exceptions=False)
    with contextlib.suppress(ZeroDivisionError):
        breaker.circuit("x").call_sync(lambda: 1 / 0)
    statuses = [
        client.get(path).status_code
        for path in ("/dependency", "/sync", "/guard", "/call", "/mounted/dependency")
        for _ in range(20)
    ]
    assert statuses == [503] * 100
    rejections, sent[:] = sorted(set(sent)), []
    client.get("/broken")
    json.dump({"rejections": rejections, "others": sent}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
