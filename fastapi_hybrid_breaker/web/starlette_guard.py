"""``CircuitGuard``: the guard of a Starlette route, router or mount, a middleware of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from fastapi_hybrid_breaker.core.errors import CircuitOpenError

from .answer import answer_to
from .dependency import circuit
from .request_keys import InvalidKeyError, InvalidWebSocketKeyError, answer_to_invalid_key

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .dependency import KeyOf, RouteGuard


class CircuitGuard:
    """Guard what has no dependencies: a Starlette route, router or mount.

    ``Route("/stock", stock, middleware=[Middleware(CircuitGuard, key="inventory-api")])``. The
    outcome is the same as for ``circuit(key)``: the status as it leaves the application.

    Args:
        app: what is guarded.
        key: the circuit's key, or a callable that makes it from the connection.
        allow_declared: as for ``circuit(key)``.

    Raises:
        ValueError, TypeError: as ``circuit(key)`` does.
    """

    def __init__(self, app: ASGIApp, key: str | KeyOf, *, allow_declared: bool = False) -> None:
        self.app = app
        self.guard: RouteGuard = circuit(key, allow_declared=allow_declared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or turn it away."""
        if scope["type"] in {"http", "websocket"}:
            # Starlette's default handlers make text of what should be a problem body, so where no
            # handler knows the error better, the answer comes from here.
            handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
            try:
                self.guard.admit(HTTPConnection(scope))
            except CircuitOpenError as error:
                if CircuitOpenError in handlers:
                    raise
                await answer_to(scope, error)(scope, receive, send)
                return
            except (InvalidKeyError, InvalidWebSocketKeyError):
                if InvalidKeyError in handlers:
                    raise
                await answer_to_invalid_key(scope)(scope, receive, send)
                return
        await self.app(scope, receive, send)
