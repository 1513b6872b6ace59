"""What a request that is over says about the circuits that guarded its route. Pure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import starlette.websockets
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from fastapi_hybrid_breaker.core.outcomes import without
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.states import Outcome

SWITCHED = 101
"""The status that stands for an accepted WebSocket."""

_ANSWERED = frozenset({400, 402, 404, 409, 410, 412, 423, 451})
"""Statuses below 500 with which an upstream that works answers what was asked wrongly. The others
(such as 401, 408, 429, 499) may have been decided without it, or be due to its load."""

# The last one says that the application used a socket after its end.
_LEAVING = (
    asyncio.CancelledError,
    ClientDisconnect,
    WebSocketDisconnect,
    getattr(starlette.websockets, "WebSocketDisconnected", WebSocketDisconnect),
)

_AFTER_ITS_END = frozenset(
    {
        'Cannot call "receive" once a disconnect message has been received.',
        'Cannot call "send" once a close message has been sent.',
        'WebSocket is not connected. Need to call "accept" first.',
    }
)
"""What older releases of Starlette say of the same, in a plain RuntimeError."""


def outcome_of_status(config: CircuitConfig, status: int | None, *, rejected: bool) -> Outcome:
    """Judge the status that left the application; None: the client was gone before there was one.

    ``rejected``: a circuit rejected a call inside the request, so that a 503 is (or may be) that
    rejection, passed on.
    """
    if status is None or (status == 503 and rejected):
        return NOT_COUNTED
    if config.is_failing(status):
        return FAILURE
    return SUCCESS if status < 400 or status in _ANSWERED else NOT_COUNTED


def error_of_application(
    error: BaseException, send_errors: Sequence[BaseException]
) -> BaseException | None:
    """Return what of ``error`` is more than the client's leaving; None: nothing.

    A request is cancelled when its client leaves or its server stops, so a cancellation is
    leaving as well. ``send_errors`` is what ``send`` raised: by the specification of ASGI an
    OSError means that nobody listens any more, and anything else is a middleware's further out,
    such as the one that refuses a body for its size, as soon as an answer is begun.
    """

    def is_leaving(one: BaseException) -> bool:
        # The body was found to be too large after the answer had begun: the client's fault too.
        cause = one.__cause__
        return (
            isinstance(one, _LEAVING)
            or (type(one) is RuntimeError and str(one) in _AFTER_ITS_END)
            or any(one is known for known in send_errors)
            or type(cause).__name__ == "_RequestBodyTooLarge"
        )

    return without(error, is_leaving)
