"""The least guard of a route that sees what a breaker must see; it decides nothing.

A dependency that finds its circuit and leaves a note of it in the request's record; a middleware
that makes the record, which code inside of the request can find too, and watches for the status
and for the end of the answer.
"""

# No "from __future__ import annotations" here: FastAPI reads the annotation of ``connection``,
# and finds no module to look a string up in when a dependency is an object.

from contextvars import ContextVar
from typing import Any, Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY: Final = "by hand"

_record: ContextVar[Any] = ContextVar("by_hand", default=None)


class Record:
    __slots__ = ("circuit", "failed", "outer", "status")

    def __init__(self, outer: Any) -> None:
        self.outer = outer
        self.circuit: Any = None
        self.status = 0
        self.failed = False


class Middleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = scope[_KEY] = Record(scope.get(_KEY))

        async def watched(message: Message) -> None:
            kind = message["type"]
            if kind == "http.response.start":
                record.status = message["status"]
            elif kind == "http.response.body" and not message.get("more_body", False):
                record.failed = record.circuit is not None and record.status >= 500
            await send(message)

        token = _record.set(record)
        try:
            await self.app(scope, receive, watched)
        finally:
            _record.reset(token)


class Guard:
    def __init__(self, key: str, circuits: dict[str, Any]) -> None:
        self.key = key
        self.circuits = circuits

    async def __call__(self, connection: HTTPConnection) -> Any:
        circuit = self.circuits[self.key]
        if not circuit.is_open:
            connection.scope[_KEY].circuit = circuit
        return circuit
