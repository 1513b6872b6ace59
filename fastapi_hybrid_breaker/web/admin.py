"""The router that lists, shows, resets and overrides circuits."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.params import Depends as DependsMarker
from pydantic import BeforeValidator
from starlette.responses import StreamingResponse
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Scope

from fastapi_hybrid_breaker.health import Survey

from .admin_answers import (
    KEY_SCHEMA,
    OVERRIDDEN,
    OVERRIDDEN_HEADER,
    REFUSED,
    TEXT_SCHEMA,
    Key,
    describe_done,
    describe_override,
    describe_problem,
    done,
    fault_of,
    problem,
    unprocessable,
)
from .admin_override import add_override_routes
from .admin_routing import make_router
from .caller import AT_MOST, NAMED_HEADER, WHEN_NAMED, Caller, Callers
from .console import add_console_routes
from .events.feed import Feed
from .events.stream import EventStream
from .listing import LONGEST_TEXT, MOST, USUAL, Listing, ShownState, Wanted, as_digits
from .models import (
    CircuitDetail,
    CircuitList,
    FleetInfo,
    HealthInfo,
    InstanceInfo,
    SyncInfo,
)
from .same_origin import refuse_other_sites
from .turns import in_turns

if TYPE_CHECKING:
    from starlette.datastructures import URLPath

    from fastapi_hybrid_breaker.breaker import Breaker

RESET_HEADER: Final = "X-Circuit-Reset"

_OPEN_TO_ANYONE: Final = (
    "the circuits' admin router has auth=None: whoever reaches it sees all circuits, can reset"
    " them and override them"
)
_NEEDS_PREFIX: Final = (
    "the circuits' admin router: include it with a prefix, as in"
    ' app.include_router(breaker.admin_router(auth=...), prefix="/circuits")'
)

_INVALID: Final[dict[int | str, dict[str, Any]]] = {
    422: describe_problem("A key that can name no circuit, or another value out of range.")
}

_NAMED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            NAMED_HEADER: {
                "description": "named: auth knows who acts; unnamed: an action has to say it.",
                "required": True,
                "schema": {"enum": ["named", "unnamed"]},
            }
        }
    }
}


def make_admin_router(breaker: "Breaker", *, auth: Callable[..., Any] | None) -> APIRouter:
    """Make the router; see ``HybridBreaker.admin_router``."""
    _check_auth(auth)
    if auth is None:
        breaker._note_at_start(_OPEN_TO_ANYONE)
    callers = Callers(auth)
    asked = [Depends(refuse_other_sites), *([] if auth is None else [Depends(auth)])]
    router = make_router(
        tags=["circuits"],
        dependencies=asked,
        responses={**({} if auth is None else REFUSED), **_INVALID},
    )
    router.routes.append(_NeedsPrefix())

    # Before the paths of a key alone, which take in all that begins with one.
    _add_list_route(router, breaker)
    add_console_routes(router)
    _add_fleet_route(router, breaker)
    _add_events_route(router, breaker)
    _add_health_route(router, breaker)
    add_override_routes(router, breaker, callers)
    _add_show_route(router, breaker, callers)
    _add_reset_route(router, breaker, callers)
    return router


def _add_show_route(router: APIRouter, breaker: "Breaker", callers: Callers) -> None:
    @router.get(
        "/{key:circuit_key}",
        summary="Show a circuit",
        response_model=CircuitDetail,
        responses={
            **_NAMED,
            404: describe_problem("Neither declared, nor known here or in Redis."),
            **_INVALID,
        },
    )
    async def show_circuit(
        key: Key, response: Response, caller: Annotated[Caller, callers.asked]
    ) -> Any:
        """Show state, figures, configuration and history of one circuit; makes no circuit."""
        if fault := fault_of(key):
            return fault
        view = await breaker.look_up(key)
        if view is None:
            return problem(404, "Not Found", f"no circuit is called {key!r}")
        response.headers[NAMED_HEADER] = caller.named()
        return CircuitDetail.of_view(view)


def _add_reset_route(router: APIRouter, breaker: "Breaker", callers: Callers) -> None:
    @router.delete(
        "/{key:circuit_key}",
        summary="Reset a circuit",
        status_code=204,
        response_class=Response,
        responses={
            204: describe_done(
                RESET_HEADER,
                "Its own state is CLOSED in this process; a manual override stays in force.",
                more={OVERRIDDEN_HEADER: OVERRIDDEN},
            ),
            403: REFUSED[403],
            422: describe_problem("A key that can name no circuit, or a text out of range."),
        },
    )
    async def reset_circuit(
        key: Key,
        caller: Annotated[Caller, callers.asked],
        by: Annotated[
            str,
            Query(
                description=f"Who resets it. {AT_MOST} {WHEN_NAMED}", json_schema_extra=TEXT_SCHEMA
            ),
        ] = "",
        reason: Annotated[
            str, Query(description=f"What for. {AT_MOST}", json_schema_extra=TEXT_SCHEMA)
        ] = "",
        *,
        ramp: Annotated[
            bool, Query(description="Let calls back in shares, where ramp_seconds is set.")
        ] = False,
    ) -> Response:
        """Close a circuit and clear its counters in the whole fleet; also one unknown here.

        A manual override stays in force, and `X-Circuit-Overridden` shows it. To end it, use
        `DELETE /{key}/-/override`.
        """
        if fault := fault_of(key):
            return fault
        try:
            said = caller.said(by, reason)
        except ValueError as error:
            return unprocessable(error)
        result = await breaker.reset(key, **said, ramp=ramp)
        response = done(RESET_HEADER, result, breaker._sync.instance)
        if result.override is not None:
            response.headers[OVERRIDDEN_HEADER] = describe_override(result.override)
        return response


def _check_auth(auth: object) -> None:
    if isinstance(auth, DependsMarker):
        raise TypeError("auth must be the dependency's callable itself, not Depends(...) of it")
    if auth is not None and not callable(auth):
        raise TypeError(f"auth must be a callable or None, not {auth!r}")


def _add_list_route(router: APIRouter, breaker: "Breaker") -> None:
    listing = Listing(breaker)

    @router.get("/", include_in_schema=False)  # with a slash too many
    @router.get(
        "",
        summary="List the circuits",
        response_model=CircuitList,
        responses={422: describe_problem("A parameter out of range.")},
    )
    async def list_circuits(
        state: Annotated[ShownState | None, Query(description="Only those; see `state`.")] = None,
        q: Annotated[
            str,
            Query(max_length=LONGEST_TEXT, description="Only those whose key has all its words."),
        ] = "",
        after: Annotated[
            str,
            Query(
                description="Only those after this key: `next` of the page before.",
                json_schema_extra=KEY_SCHEMA,
            ),
        ] = "",
        limit: Annotated[
            int,
            BeforeValidator(as_digits),
            Query(ge=1, le=MOST, description="How many, at most."),
        ] = USUAL,
    ) -> Response:
        """List the circuits that this process knows or has declared, in the order of their keys.

        A page has `next` where more follow: ask again with `after` set to it.
        """
        if after and (fault := fault_of(after)):
            return fault
        page = await listing.page(Wanted(state, q, after, limit))
        return Response(page, media_type="application/json")


def _add_fleet_route(router: APIRouter, breaker: "Breaker") -> None:
    @router.get("/-/fleet", summary="List the instances")
    async def list_instances() -> FleetInfo:
        """List the processes that share circuits, as their heartbeats report them."""
        instances = await breaker.instances() or []
        return FleetInfo(
            instances=[InstanceInfo.model_validate(one) for one in instances],
            sync=SyncInfo.model_validate(breaker.sync_status()),
        )


def _add_health_route(router: APIRouter, breaker: "Breaker") -> None:
    @router.get("/-/health", summary="Show what is degraded")
    async def show_health() -> HealthInfo:
        """Return which circuits are not CLOSED, and the exchange; the status is always 200.

        What an open circuit means for a readiness check, only the service can know.
        """
        survey = Survey()
        async for key in in_turns([circuit.key for circuit in breaker.circuits()]):
            if (circuit := breaker._registry.get(key)) is not None:
                survey.look_at(circuit)
        async for key, override in in_turns(list(breaker._registry.held.overrides())):
            survey.look_at_override(key, override)
        return HealthInfo.model_validate(survey.health(breaker.sync_status()))


def _add_events_route(router: APIRouter, breaker: "Breaker") -> None:
    feed = Feed(breaker)

    @router.get(
        "/-/events",
        summary="Follow the circuits",
        response_class=StreamingResponse,
        responses={200: {"description": "Server-sent events.", "content": _EVENTS}},
    )
    async def follow(
        last_event_id: Annotated[str | None, Header(description="The last event seen.")] = None,
    ) -> EventStream:
        """Send a snapshot, then every change as it happens, and figures every second.

        Who comes back within half a minute and names the last event goes on after it.
        """
        return EventStream(feed, last_event_id)


_EVENTS: Final = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": 'event: sync\ndata: {"state": "connected"}\nid: 5f0a9c1e-42\n\n',
    }
}


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
