"""The router under the admin paths: what all its answers have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.routing import Route

from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .admin_answers import fault_of, problem
from .record import leave_uncounted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import Message, Receive, Scope, Send

_REFUSALS: Final = (401, 403)

_KEY: Final = "{key:circuit_key}"


class _KeyConvertor(PathConvertor):
    """A key in a path: all that ``path`` takes, and line breaks, which get an answer as well."""

    regex = "(?s:.*)"


register_url_convertor("circuit_key", _KeyConvertor())


def make_router(**options: Any) -> APIRouter:
    """Make a router whose answers, also its errors, are neither stored nor guessed at.

    No circuit guards its routes or counts their answers: a guard that is applied to a whole
    application is a dependency of every route in it, so the request is marked before any of them
    runs. A refused request is logged, once a minute at most for each status. A method that a path
    does not have is a 405 that names those it has.
    """
    refusals = {status: _RefusalLog(status) for status in _REFUSALS}

    class AdminRoute(APIRoute):
        """A route of the admin router."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer = super().get_route_handler()

            async def answer_or_refuse(request: Request) -> Response:
                try:
                    return await answer(request)
                except RequestValidationError as error:
                    return problem(422, "Unprocessable Content", _explain(error))

            return answer_or_refuse

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            leave_uncounted(scope)
            method, template = scope["method"], _template_of(router.routes, self.endpoint)

            async def send_marked(message: Message) -> None:
                if message["type"] == "http.response.start":
                    if message["status"] in refusals:
                        refusals[message["status"]].note(f"{method} {template}", scope)
                    _mark(message)
                await send(message)

            refusal = _refusal(router.routes, template, scope)
            if refusal is None:
                await super().handle(scope, receive, send_marked)
            else:
                await refusal(scope, receive, send_marked)

    router = APIRouter(route_class=AdminRoute, **options)
    return router


def _refusal(routes: Sequence[BaseRoute], template: str, scope: Scope) -> Response | None:
    """Return the answer to a path that only seems to be one of ours, or does not have the method.

    The expression of a path matches before a line break at the end as well, which is part of a key.
    """
    if scope["path"].endswith("\n") and not template.endswith(_KEY):
        return fault_of("\n")
    allowed = _allowed_methods(routes, template, scope["path_params"])
    if scope["method"] in allowed:
        return None
    named = ", ".join(sorted(allowed))
    answer = problem(405, "Method Not Allowed", f"this path has {named}")
    answer.headers["Allow"] = named
    return answer


def _explain(error: RequestValidationError) -> str:
    """Name the parameters that are wrong, without what they hold."""
    faults = [(".".join(map(str, one["loc"][1:])), one["msg"]) for one in error.errors()]
    return "; ".join(f"{name}: {text}" for name, text in faults)


def _mark(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    headers["Cache-Control"] = "no-store"
    headers["X-Content-Type-Options"] = "nosniff"


def _template_of(routes: Sequence[BaseRoute], endpoint: Callable[..., Any]) -> str:
    """Return the path of a route in the router; an included one has a prefix as well."""
    found = next(one for one in routes if isinstance(one, Route) and one.endpoint is endpoint)
    return found.path


def _allowed_methods(
    routes: Sequence[BaseRoute], template: str, path_params: dict[str, Any]
) -> set[str]:
    """Return the methods of the path that was asked for.

    Several routes may have it, and the path of a key alone takes in all the others: what counts is
    the first route that matches, and those that share its path.
    """
    # The endpoint itself answers a request without a key.
    path = template.replace(_KEY, path_params.get("key") or _KEY)
    known = [one for one in routes if isinstance(one, Route)]
    matching = [one for one in known if one.path_regex.fullmatch(path)]
    return {
        method for one in matching if one.path == matching[0].path for method in one.methods or ()
    }


class _RefusalLog:
    """Log lines about requests that were refused with one status.

    They name the path's template and not the path, and nothing else that the client has written.
    """

    def __init__(self, status: int) -> None:
        self._log = ThrottledLog(time.monotonic, f"admin router: refused with {status}: ")

    def note(self, request: str, scope: Scope) -> None:
        """Record a refusal."""
        client = scope.get("client")
        host = str(client[0]) if client else ""
        is_plain = 0 < len(host) <= 64 and host.isprintable()  # a proxy may have passed on any text
        self._log.warn(f"{request} from {host if is_plain else 'an unknown address'}")
