"""``CircuitGuard``: the guard of a Starlette route, router or mount, a middleware of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from fastapi_hybrid_breaker.core.errors import CircuitOpenError

from .answer import answer_to
from .dependency import circuit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .dependency import KeyOf


class CircuitGuard:
    """Guard what has no dependencies: a Starlette route, router or mount.

    ``Route("/stock", stock, middleware=[Middleware(CircuitGuard, key="inventory-api")])``. The
    outcome is the same as for ``circuit(key)``: the status as it leaves the application.

    Args:
        app: what is guarded.
        key: the circuit's key, or a callable that makes it from the connection.

    Raises:
        ValueError, TypeError: as ``circuit(key)`` does.
    """

    def __init__(self, app: ASGIApp, key: str | KeyOf) -> None:
        self.app = app
        self.guard = circuit(key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or turn it away."""
        if scope["type"] in {"http", "websocket"}:
            try:
                self.guard.admit(HTTPConnection(scope))
            except CircuitOpenError as error:
                # Starlette's default handlers make text of what should be a problem body, so
                # where no handler knows the error better, the answer comes from here.
                handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
                if CircuitOpenError in handlers:
                    raise
                await answer_to(scope, error)(scope, receive, send)
                return
        await self.app(scope, receive, send)
