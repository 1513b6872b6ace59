"""The middleware that watches what leaves the application and settles the route's permits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.calls.context import enter_request, leave_request

from .outcome import SWITCHED
from .record import SCOPE_KEY, RouteRequest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from fastapi_hybrid_breaker.breaker import HybridBreaker


class CircuitMiddleware:
    """Pure ASGI, innermost of the user's middleware, one per breaker and application.

    Further out, a ``BaseHTTPMiddleware`` would make a broken stream and a failing background
    task look alike. Guards admit further in; this settles, once: at the last message of the
    body, or when the application returns or raises, whichever comes first.

    Args:
        app: what lies further in.
        breaker: whose circuits guard in this application.
        home: the application itself.
    """

    def __init__(self, app: ASGIApp, breaker: HybridBreaker, home: object) -> None:
        self.app = app
        self.breaker = breaker
        self.home = home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection and settle what its guards have admitted."""
        watch = _WATCHES.get(scope["type"])
        if watch is None:
            await self.app(scope, receive, send)
            return
        outer = scope.get(SCOPE_KEY)
        record = scope[SCOPE_KEY] = RouteRequest(self.breaker, self.home, outer)
        token = enter_request(record)
        try:
            await self.app(scope, receive, watch(record, send, scope))
        except BaseException as error:
            if record.unsettled:
                record.end_with(error)
            raise
        else:
            if record.unsettled:
                record.settle()
        finally:
            try:  # noqa: SIM105 - a context manager would cost each request as much as all of this
                leave_request(token)
            except ValueError:
                pass
            if outer is not None:
                scope[SCOPE_KEY] = outer


def _watch_http(record: RouteRequest, send: Send, scope: Scope) -> Send:
    async def watched(message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            status = record.status = message["status"]
            if status >= 400:
                record.calm = None
            if record.timed:
                record.begin(status)
        elif record.unsettled and (
            (kind == "http.response.body" and not message.get("more_body", False))
            or kind == "http.response.pathsend"
        ):
            # Before it is sent: how fast the client takes it is no part of the verdict.
            calm = record.calm
            if calm is not None and calm.only_watched:
                record.unsettled = False  # so most requests end: a success that changes nothing
            else:
                record.end_of_body(scope)
        try:
            await send(message)
        except Exception as error:
            record.send_errors = (*record.send_errors, error)
            raise

    return watched


def _watch_websocket(record: RouteRequest, send: Send, _: Scope) -> Send:
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
