"""Answers that name a problem (RFC 9457), and the one to a rejected request: a 503."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import math
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import JSONResponse
from starlette.types import Scope

from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.standoff import ROUTE
from fastapi_hybrid_breaker.core.states import CircuitState

PROBLEM_TYPE: Final = "application/problem+json"

TRY_AGAIN_LATER: Final = 1013
"""The code (IANA's WebSocket registry) of a close that stands where no 503 can be sent."""


class Problem(BaseModel):
    """A problem as RFC 9457 has it."""

    type: str = Field(default="about:blank", description="about:blank: the status names the kind.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What is wrong this time.")


class RejectionProblem(Problem):
    """The answer to a request that a circuit rejected."""

    title: str = "Service Unavailable"
    status: int = 503
    retry_after: int = Field(ge=1, description="The header once more: whole seconds.")
    state: CircuitState = Field(
        default=CircuitState.OPEN, description="HALF_OPEN while probes of a recovery run."
    )
    circuit: str | None = Field(
        default=None, description="The circuit's key; left out where the key was made at run time."
    )


def problem_content(model: type[Problem]) -> dict[str, Any]:
    """Describe a problem's body for OpenAPI."""
    return {PROBLEM_TYPE: {"schema": model.model_json_schema()}}


CIRCUIT_OPEN_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    503: {
        "description": "Rejected by a circuit breaker: what this needs does not work now.",
        "headers": {
            "Retry-After": {
                "description": "Whole seconds until a request may be admitted, at least 1.",
                "required": True,
                "schema": {"type": "integer", "minimum": 1},
            }
        },
        "content": problem_content(RejectionProblem),
    }
}
"""Describes a rejection in OpenAPI: ``@app.get("/stock", responses=CIRCUIT_OPEN_RESPONSES)``."""


class RouteRejectedError(CircuitOpenError, HTTPException):
    """A route's circuit rejected the request.

    An ``HTTPException``, so that a mounted application without our handler answers 503 as well.
    Where both are handled, the handler of ``CircuitOpenError`` is asked first.

    Args:
        key: the circuit's key.
        retry_after: seconds until a request may be admitted.
        is_public: whether the answer may name the circuit.
        state: OPEN, or HALF_OPEN while probes of a recovery run.
    """

    _kind: object = ROUTE

    def __init__(
        self,
        key: str,
        retry_after: float,
        *,
        is_public: bool = False,
        state: CircuitState = CircuitState.OPEN,
    ) -> None:
        # Default handlers make the body of the detail; the type here keeps them from naming it
        # by another one.
        headers = {"Content-Type": PROBLEM_TYPE, **_headers(retry_after)}
        HTTPException.__init__(self, 503, _detail(key if is_public else None, state), headers)
        CircuitOpenError.__init__(self, key, retry_after)
        self.state = state


class WebSocketRejectedError(CircuitOpenError, WebSocketException):
    """A route's circuit rejected a WebSocket, on a server that cannot deny with a response.

    Parameters: as for ``RouteRejectedError``.
    """

    _kind: object = ROUTE

    def __init__(
        self,
        key: str,
        retry_after: float,
        *,
        is_public: bool = False,
        state: CircuitState = CircuitState.OPEN,
    ) -> None:
        detail = _detail(key if is_public else None, state)
        WebSocketException.__init__(self, TRY_AGAIN_LATER, detail)
        CircuitOpenError.__init__(self, key, retry_after)
        self.state = state


def can_respond(scope: Scope) -> bool:
    """Return whether the server can take a response (a WebSocket: in place of accepting it)."""
    return scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", ())


def rejection_response(error: CircuitOpenError, *, is_public: bool) -> JSONResponse:
    """Make the 503 for a rejection."""
    key = error.key if is_public else None
    headers = _headers(error.retry_after)
    problem = RejectionProblem(
        detail=_detail(key, error.state),
        retry_after=int(headers["Retry-After"]),
        state=error.state,
        circuit=key,
    )
    body = problem.model_dump(mode="json", exclude_none=True)
    return JSONResponse(body, problem.status, headers, PROBLEM_TYPE)


def _headers(retry_after: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(retry_after)))}


def _detail(key: str | None, state: CircuitState) -> str:
    named = "" if key is None else f" for {key}"
    probing = ": probing" if state is CircuitState.HALF_OPEN else ""
    return f"Circuit breaker is OPEN{named}{probing}"
