"""The admin router's paths on which operators set and end overrides."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT

from .admin_answers import (
    REFUSED,
    TEXT_SCHEMA,
    Key,
    describe_done,
    describe_problem,
    done,
    fault_of,
    problem,
    unprocessable,
)
from .bodies import ORDER_EXAMPLE, BodyTooLargeError, OverrideOrder, parse_order, read_body
from .caller import AT_MOST, WHEN_NAMED, Caller, Callers
from .models import OverrideInfo

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.breaker import Breaker

OVERRIDE_HEADER: Final = "X-Circuit-Override"

_PATH: Final = "/{key:circuit_key}/-/override"


def _describe_body(callers: Callers) -> dict[str, Any]:
    schema = OverrideOrder.model_json_schema()
    if callers.name_nobody:
        schema["required"] = [*schema["required"], "by"]
    content = {"application/json": {"schema": schema, "example": ORDER_EXAMPLE}}
    return {"required": True, "content": content}


def add_override_routes(router: APIRouter, breaker: "Breaker", callers: Callers) -> None:
    """Add the paths to the router, which asks ``auth`` by itself."""
    _add_show(router, breaker)
    _add_set(router, breaker, callers)
    _add_clear(router, breaker, callers)


def _add_show(router: APIRouter, breaker: "Breaker") -> None:
    @router.get(
        _PATH,
        summary="Show a circuit's override",
        response_model=OverrideInfo,
        responses={
            404: describe_problem("No override is in force, or no such circuit is known."),
            422: describe_problem("A key that can name no circuit."),
        },
    )
    async def show_override(key: Key) -> Any:
        """Show the override that is in force; makes no circuit."""
        if fault := fault_of(key):
            return fault
        view = await breaker.look_up(key)
        if view is None:
            return problem(404, "Not Found", f"no circuit is called {key!r}")
        if view.stats.override is None:
            return problem(404, "Not Found", f"no override is in force on {key!r}")
        return OverrideInfo.model_validate(view.stats.override)


def _add_set(router: APIRouter, breaker: "Breaker", callers: Callers) -> None:
    @router.put(
        _PATH,
        summary="Override a circuit",
        status_code=204,
        response_class=Response,
        responses={
            204: describe_done(OVERRIDE_HEADER, "It is in force in this process."),
            400: describe_problem("The body broke off."),
            403: REFUSED[403],
            413: describe_problem("A body of over 64 KiB."),
            422: describe_problem("A key that can name no circuit, or a body of another form."),
        },
        openapi_extra={"requestBody": _describe_body(callers)},
    )
    async def set_override(
        key: Key, request: Request, caller: Annotated[Caller, callers.asked]
    ) -> Response:
        """Override a circuit's state or its mode, in the whole fleet; replaces an earlier one."""
        if fault := fault_of(key):
            return fault
        order = await _order_of(request)
        if isinstance(order, Response):
            return order
        try:
            by, reason = caller.by(order.by), caller.why(order.reason)
        except ValueError as error:
            return unprocessable(error)
        if by is None:
            return problem(422, "Unprocessable Content", _NEEDS_NAME)
        reach = await breaker.override(key, order.kind, by=by, reason=reason, seconds=order.seconds)
        return done(OVERRIDE_HEADER, reach, breaker._sync.instance)


def _add_clear(router: APIRouter, breaker: "Breaker", callers: Callers) -> None:
    @router.delete(
        _PATH,
        summary="End a circuit's override",
        status_code=204,
        response_class=Response,
        responses={
            204: describe_done(OVERRIDE_HEADER, "None is in force in this process."),
            403: REFUSED[403],
            422: describe_problem("A key that can name no circuit, or a text out of range."),
        },
    )
    async def clear_override(
        key: Key,
        caller: Annotated[Caller, callers.asked],
        by: Annotated[
            str,
            Query(
                description=f"Who ends it. {AT_MOST} {WHEN_NAMED}", json_schema_extra=TEXT_SCHEMA
            ),
        ] = "",
        reason: Annotated[
            str, Query(description=f"What for. {AT_MOST}", json_schema_extra=TEXT_SCHEMA)
        ] = "",
    ) -> Response:
        """End a circuit's override in the whole fleet; a 204 also where there is none."""
        if fault := fault_of(key):
            return fault
        try:
            said = caller.said(by, reason)
        except ValueError as error:
            return unprocessable(error)
        reach = await breaker.clear_override(key, **said)
        return done(OVERRIDE_HEADER, reach, breaker._sync.instance)


async def _order_of(request: Request) -> OverrideOrder | Response:
    """Return the override that a request's body asks for, or the answer to an invalid one.

    It is read here, since FastAPI would read a body that it knows of before it asks ``auth``.
    """
    try:
        return parse_order(await read_body(request))
    except BodyTooLargeError as error:
        response = problem(413, "Content Too Large", str(error))
        if request.scope.get("http_version", "1.1").startswith("1"):
            response.headers["Connection"] = "close"  # the rest of it is not read
        return response
    except (TypeError, ValueError) as error:
        return unprocessable(error)
    except ClientDisconnect:  # nobody hears the answer; a traceback would help nobody either
        return problem(400, "Bad Request", "the body broke off")


_NEEDS_NAME: Final = (
    f"by must be text of 1 to {LONGEST_TEXT} printable characters in the body, as auth gives no"
    " name"
)
