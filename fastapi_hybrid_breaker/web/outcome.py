"""What a request that is over says about the circuits that guarded its route. Pure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import starlette.websockets
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from fastapi_hybrid_breaker.core.states import Outcome

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.config import CircuitConfig

SWITCHED = 101
"""The status that stands for an accepted WebSocket."""

# The last one says that the application used a socket after its end. Older releases of
# Starlette raise a plain RuntimeError for it, which stays a failure there.
_LEAVING = (
    asyncio.CancelledError,
    ClientDisconnect,
    WebSocketDisconnect,
    getattr(starlette.websockets, "WebSocketDisconnected", WebSocketDisconnect),
)


def outcome_of_status(config: CircuitConfig, status: int | None, *, rejected: bool) -> Outcome:
    """Judge the status that left the application; None: the client was gone before there was one.

    Where a circuit rejected a call inside the request, a failing status is (or may be) that
    rejection, told on: it says nothing new.
    """
    if status is None:
        return Outcome.NO_VERDICT
    if config.is_failing(status):
        return Outcome.NO_VERDICT if rejected else Outcome.FAILURE
    return Outcome.SUCCESS if status < 400 else Outcome.NO_VERDICT


def error_of_application(
    error: BaseException, send_error: BaseException | None
) -> BaseException | None:
    """Give what of ``error`` is more than the client's leaving; None: nothing.

    A request is cancelled when its client leaves or its server stops, so a cancellation is
    leaving as well. ``send_error`` is what the server's ``send`` raised, which by the
    specification of ASGI means that nobody listens any more.
    """

    def is_leaving(one: BaseException) -> bool:
        return one is send_error or isinstance(one, _LEAVING)

    if isinstance(error, BaseExceptionGroup):
        return error.split(is_leaving)[1]
    return None if is_leaving(error) else error
