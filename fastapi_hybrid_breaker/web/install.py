"""Putting a breaker into an application: its lifespan, its middleware, its handler."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import fastapi.routing
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware

from fastapi_hybrid_breaker.core.errors import CircuitOpenError

from .answer import handle_rejection
from .middleware import CircuitMiddleware
from .request_keys import InvalidKeyError, handle_invalid_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi_hybrid_breaker.breaker import Breaker


def install(breaker: Breaker, app: Starlette) -> None:
    """Install ``breaker`` on ``app``; a second time changes nothing.

    Raises:
        TypeError: ``app`` is no application.
        RuntimeError: the application has begun to serve.
    """
    if not isinstance(app, Starlette):
        raise TypeError(
            f"a breaker is installed on a FastAPI or Starlette application, not {app!r}"
        )
    present: list[Any] = app.user_middleware
    if any(one.cls is CircuitMiddleware and one.kwargs["breaker"] is breaker for one in present):
        return
    if app.middleware_stack is not None:
        raise RuntimeError(
            "a HybridBreaker cannot be installed on an application that has begun to serve:"
            " call breaker.install(app) where the application is made"
        )
    # At the end of the list is innermost; add_middleware() would put it outermost.
    app.user_middleware.append(Middleware(CircuitMiddleware, breaker=breaker))
    # Whoever handles rejections in a way of their own keeps that.
    app.exception_handlers.setdefault(CircuitOpenError, handle_rejection)
    app.exception_handlers.setdefault(InvalidKeyError, handle_invalid_key)
    _compose_lifespan(breaker, app)


def _compose_lifespan(breaker: Breaker, app: Starlette) -> None:
    """Start before the application's own start, which may use circuits, and stop after it."""
    own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: Any) -> AsyncIterator[Any]:
        _resolve_routes(app)
        async with breaker, own(served) as state:
            yield state

    app.router.lifespan_context = lifespan


def _resolve_routes(app: Starlette) -> None:
    """Make FastAPI read the dependencies of included routers, which it does at the first request.

    So a ``Depends`` that was forgotten there is an error at the start, and not of each request.
    """
    resolve = getattr(fastapi.routing, "iter_route_contexts", None)  # older releases need none
    if resolve is not None and isinstance(app, FastAPI):
        for _ in resolve(app.routes):
            pass
