"""Who answers a rejection, and with what: a response, or the end of a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.websockets import WebSocketClose

from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.public_keys import is_key_public

from .outcome import SWITCHED
from .problem import TRY_AGAIN_LATER, can_respond, rejection_response
from .record import SCOPE_KEY, RouteRequest

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.types import Scope


async def handle_rejection(connection: HTTPConnection, error: Exception) -> Response:
    """Answer a ``CircuitOpenError`` that left a route: the application's exception handler.

    Its guard's, or that of a call inside the endpoint which nobody caught.
    """
    if not isinstance(error, CircuitOpenError):
        raise TypeError(f"this handles CircuitOpenError, not {error!r}")
    record = connection.scope.get(SCOPE_KEY)
    if isinstance(record, RouteRequest):
        # It may be that of a call in an executor, whose context knows of no request.
        record.shared.note_rejection(error.key)
    # The handler of a WebSocket may return anything that can be called like a response.
    return answer_to(connection.scope, error)  # type: ignore[return-value]


def answer_to(scope: Scope, error: CircuitOpenError) -> Response | WebSocketClose:
    """Make the 503; or the close, where a WebSocket is open already or cannot be denied."""
    record = scope.get(SCOPE_KEY)
    if not isinstance(record, RouteRequest):
        record = None
    if not can_respond(scope) or (record is not None and record.status == SWITCHED):
        return WebSocketClose(TRY_AGAIN_LATER, "Circuit breaker is OPEN")
    is_public = record is not None and is_key_public(record.breaker._registry, error.key)
    return rejection_response(error, is_public=is_public)
