"""Putting a breaker into an application: its lifespan, its middleware, its handler."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from fastapi_hybrid_breaker.core.errors import CircuitOpenError

from .answer import handle_rejection
from .middleware import CircuitMiddleware

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi_hybrid_breaker.breaker import HybridBreaker


def install(breaker: HybridBreaker, app: Starlette) -> None:
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
    _compose_lifespan(breaker, app)


def _compose_lifespan(breaker: HybridBreaker, app: Starlette) -> None:
    """Start before the application's own start, which may use circuits, and stop after it."""
    own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: Any) -> AsyncIterator[Any]:
        async with breaker, own(served) as state:
            yield state

    app.router.lifespan_context = lifespan
