"""Routes that no circuit guards: pages of our own, which have to answer while circuits are open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute

from .record import leave_uncounted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.requests import Request
    from starlette.responses import Response


class UnguardedRoute(APIRoute):
    """A route that guards let pass, and whose answers no circuit counts.

    A guard that is applied to a whole application, or to a router, is a dependency of every route
    in it. Dependencies run inside of the route's handler, so the request is marked before them.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which marks the request before its dependencies run."""
        handle = super().get_route_handler()

        async def handle_unguarded(request: Request) -> Response:
            leave_uncounted(request.scope)
            return await handle(request)

        return handle_unguarded
