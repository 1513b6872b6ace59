"""Keys that a callable makes of a request: often of what the client sent, so it is checked."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import JSONResponse
from starlette.websockets import WebSocketClose

from fastapi_hybrid_breaker.core.keys import fault_of
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .problem import PROBLEM_TYPE, Problem, can_respond

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from starlette.requests import HTTPConnection
    from starlette.types import Scope

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.registry import Registry

DETAIL: Final = "The circuit that guards this route cannot be determined from the request."
"""Nothing that the client sent: not every client shows it as text."""

POLICY_VIOLATION: Final = 1008
"""The code of a close that stands where no 400 can be sent."""


class InvalidKeyError(HTTPException):
    """No valid key can be made of the request: a 400, also in mounted applications."""

    def __init__(self) -> None:
        super().__init__(400, DETAIL, {"Content-Type": PROBLEM_TYPE})


class InvalidWebSocketKeyError(WebSocketException):
    """The same for a WebSocket, on a server that cannot deny with a response."""

    def __init__(self) -> None:
        super().__init__(POLICY_VIOLATION, DETAIL)


async def handle_invalid_key(connection: HTTPConnection, _: Exception) -> JSONResponse:
    """Answer an ``InvalidKeyError``: the application's exception handler."""
    # The handler of a WebSocket may return anything that can be called like a response.
    return answer_to_invalid_key(connection.scope)  # type: ignore[return-value]


def answer_to_invalid_key(scope: Scope) -> JSONResponse | WebSocketClose:
    """Return the 400; or the close, where a WebSocket cannot be denied."""
    if not can_respond(scope):
        return WebSocketClose(POLICY_VIOLATION, DETAIL)
    problem = Problem(title="Bad Request", status=400, detail=DETAIL)
    return JSONResponse(problem.model_dump(), 400, media_type=PROBLEM_TYPE)


class RequestKey:
    """Finds the circuit of a request by the key that a callable makes of it.

    Args:
        make: the callable, from the connection to a key.
        allow_declared: whether it may name circuits that ``circuits=`` or the code of a route or
            transport names.
    """

    __slots__ = ("_log", "allow_declared", "make")

    def __init__(self, make: Callable[[Any], object], *, allow_declared: bool) -> None:
        self.make: Callable[[Any], object] = make
        self.allow_declared: bool = allow_declared
        self._log = ThrottledLog(time.monotonic, f"a request was refused: {_name_of(make)} ")

    def circuit_for(
        self, connection: HTTPConnection, registry: Registry, routes: Container[str]
    ) -> Circuit:
        """Find or make the circuit; ``routes`` are the keys that stand at routes.

        Raises:
            InvalidKeyError, InvalidWebSocketKeyError: there is no valid key.
        """
        scope = connection.scope
        try:
            key = self.make(connection)
        except Exception as error:
            if _is_answered(scope, error):
                raise
            raise self._refusal(scope, f"raised {type(error).__name__}{_place(error)}") from None
        if not isinstance(key, str):
            if inspect.iscoroutine(key):
                key.close()  # else it warns that nobody has awaited it
            raise self._refusal(scope, f"returned {type(key).__name__}, not a string")
        if not self.allow_declared and (key in routes or registry.is_in_code(key)):
            hint = "named a circuit of the code, which needs circuit(..., allow_declared=True)"
            raise self._refusal(scope, hint)
        if key not in registry.by_key and (fault := fault_of(key)) is not None:
            raise self._refusal(scope, f"returned a key that {fault}")
        return registry.find_or_make(key)

    def _refusal(self, scope: Scope, why: str) -> InvalidKeyError | InvalidWebSocketKeyError:
        self._log.warn(why)
        return InvalidKeyError() if can_respond(scope) else InvalidWebSocketKeyError()


def _is_answered(scope: Scope, error: Exception) -> bool:
    """Whether the application answers the error: it is an answer, or has a handler of its own."""
    handlers, _ = scope.get("starlette.exception_handlers", ({}, {}))
    is_answer = isinstance(error, HTTPException | WebSocketException)
    return is_answer or any(kind in handlers for kind in type(error).__mro__)


def _name_of(make: object) -> str:
    """Return how the callable is called in code, and where that is."""
    name = getattr(make, "__qualname__", type(make).__qualname__)
    module = getattr(make, "__module__", type(make).__module__)
    return f"{module}.{name}"


def _place(error: BaseException) -> str:
    """Return the line that raised it; its text can be what the client sent."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f" ({traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno})"
