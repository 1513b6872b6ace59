"""The router that lists, shows and resets circuits."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response
from fastapi.params import Depends as DependsMarker
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Scope

from fastapi_hybrid_breaker.core.keys import check_key
from fastapi_hybrid_breaker.core.states import CircuitView

from .models import CircuitDetail, CircuitInfo, CircuitList, SyncInfo
from .problem import PROBLEM_TYPE, Problem, problem_content

if TYPE_CHECKING:
    from starlette.datastructures import URLPath

    from fastapi_hybrid_breaker.breaker import HybridBreaker

RESET_HEADER: Final = "X-Circuit-Reset"

_OPEN_TO_ANYONE: Final = (
    "the circuits' admin router has auth=None: whoever reaches it sees all circuits and can"
    " reset them"
)
_NEEDS_PREFIX: Final = (
    "the circuits' admin router: include it with a prefix, as in"
    ' app.include_router(breaker.admin_router(auth=...), prefix="/circuits")'
)

Key = Annotated[str, Path(description="The circuit's key, percent-encoded.")]


def make_admin_router(breaker: "HybridBreaker", *, auth: Callable[..., Any] | None) -> APIRouter:
    """Make the router; see ``HybridBreaker.admin_router``."""
    if isinstance(auth, DependsMarker):
        raise TypeError("auth must be the dependency's callable itself, not Depends(...) of it")
    if auth is None:
        breaker.note_at_start(_OPEN_TO_ANYONE)
    elif not callable(auth):
        raise TypeError(f"auth must be a callable or None, not {auth!r}")
    router = APIRouter(tags=["circuits"], dependencies=[] if auth is None else [Depends(auth)])
    router.routes.append(_NeedsPrefix())

    @router.get("", summary="List the circuits")
    async def list_circuits() -> CircuitList:
        """List all circuits that this process knows or has declared, and the exchange."""
        return CircuitList(
            circuits=[CircuitInfo.of(view) for view in _views(breaker)],
            sync=SyncInfo.model_validate(breaker.sync_status()),
        )

    @router.get(
        "/{key:path}",
        summary="Show a circuit",
        response_model=CircuitDetail,
        responses={404: _described("Neither declared, nor known here or in Redis."), **_INVALID},
    )
    async def show_circuit(key: Key) -> Any:
        """Show state, figures, configuration and history of one circuit; makes no circuit."""
        if fault := _fault(key):
            return fault
        view = await breaker.look_up(key)
        if view is None:
            return _problem(404, "Not Found", f"no circuit is called {key!r}")
        return CircuitDetail.of(view)

    @router.delete(
        "/{key:path}",
        summary="Reset a circuit",
        status_code=204,
        response_class=Response,
        responses={204: _RESET, **_INVALID},
    )
    async def reset_circuit(key: Key) -> Response:
        """Close a circuit and empty its counts in the whole fleet; also one unknown here."""
        if fault := _fault(key):
            return fault
        return Response(status_code=204, headers={RESET_HEADER: await breaker.reset(key)})

    return router


class _NeedsPrefix(BaseRoute):
    """A route that matches nothing and is no part of what is included.

    The list has the path "", so FastAPI refuses to include the router without a prefix. What it
    says then is the name of the first route with an empty path: this one.
    """

    path = ""
    name = _NEEDS_PREFIX

    def matches(self, scope: Scope) -> tuple[Match, Scope]:  # noqa: ARG002 - the base's signature
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> "URLPath":
        raise NoMatchFound(name, path_params)


def _views(breaker: "HybridBreaker") -> list[CircuitView]:
    """Give the known and the declared circuits, by key."""
    registry = breaker.registry
    known = {one.key: CircuitView(one.key, one.config, one.stats()) for one in registry}
    for key, config in registry.declared.items():
        if key not in known:
            known[key] = CircuitView(key, config, breaker.stats(key))
    return [known[key] for key in sorted(known)]


def _fault(key: str) -> JSONResponse | None:
    """Give the answer to a key that can name no circuit."""
    try:
        check_key(key)
    except ValueError as error:
        return _problem(422, "Unprocessable Content", str(error))
    return None


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    problem = Problem(title=title, status=status, detail=detail)
    return JSONResponse(problem.model_dump(), status, media_type=PROBLEM_TYPE)


def _described(description: str) -> dict[str, Any]:
    return {"description": description, "content": problem_content(Problem)}


_INVALID: Final[dict[int | str, dict[str, Any]]] = {
    422: _described("A key that can name no circuit.")
}

_RESET: Final[dict[str, Any]] = {
    "description": "It is closed in this process.",
    "headers": {
        RESET_HEADER: {
            "description": (
                "fleet: stored for all processes; queued: sent as soon as Redis answers;"
                " local: there is no fleet."
            ),
            "required": True,
            "schema": {"enum": ["fleet", "queued", "local"]},
        }
    },
}
