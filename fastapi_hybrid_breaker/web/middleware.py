"""The middleware that watches what leaves the application and settles the route's permits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.circuits.context import (
    current_request,
    enter_request,
    leave_request,
)

from .outcome import SWITCHED
from .record import SCOPE_KEY, RouteRequest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from fastapi_hybrid_breaker.breaker import Breaker
    from fastapi_hybrid_breaker.circuits.context import Request


class CircuitMiddleware:
    """Pure ASGI, innermost of the user's middleware, one per breaker and application.

    Further out, a ``BaseHTTPMiddleware`` would make a broken stream and a failing background
    task look alike. Guards admit further in; this settles, once: at the last message of the
    body, or when the application returns or raises, whichever comes first.

    Args:
        app: what lies further in.
        breaker: whose circuits guard in this application.
    """

    def __init__(self, app: ASGIApp, breaker: Breaker) -> None:
        self.app = app
        self.breaker = breaker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection and settle what its guards have admitted."""
        watch = _WATCHES.get(scope["type"])
        if watch is None:
            await self.app(scope, receive, send)
            return
        mounted_in = scope.get(SCOPE_KEY)
        # One that calls this application in process shares its context with it.
        if isinstance(mounted_in, RouteRequest):
            outer: Request | None = mounted_in.shared
        else:
            outer = current_request()
        record = scope[SCOPE_KEY] = RouteRequest(self.breaker, outer)
        token = enter_request(record.shared)
        try:
            await self.app(scope, receive, watch(record, send))
        except BaseException as error:
            record.end_with(error)
            raise
        else:
            if record.unsettled:
                record.end()
        finally:
            record.shared.is_over = True
            try:  # noqa: SIM105 - suppress() is an object more for each request
                leave_request(token)
            except ValueError:
                pass
            if mounted_in is not None:
                scope[SCOPE_KEY] = mounted_in


def _watch_http(record: RouteRequest, send: Send) -> Send:
    async def watched(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            record.begin(message["status"])
        elif record.unsettled and (
            (kind == "http.response.body" and not message.get("more_body", False))
            or kind == "http.response.pathsend"
        ):
            record.end_of_body()  # before it is sent: how fast the client takes it is no matter
        try:
            await send(message)
        except Exception as error:
            record.send_errors = (*record.send_errors, error)
            raise

    return watched


def _watch_websocket(record: RouteRequest, send: Send) -> Send:
    async def watched(message: Message) -> None:
        try:
            await send(message)
        except Exception as error:
            record.send_errors = (*record.send_errors, error)
            raise
        kind = message["type"]
        if kind == "websocket.accept":
            record.begin(SWITCHED)
        elif kind == "websocket.http.response.start":
            record.begin(message["status"])

    return watched


_WATCHES: Final = {"http": _watch_http, "websocket": _watch_websocket}
