"""The admin router's paths on which operators set and end overrides."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

import json
from typing import TYPE_CHECKING, Annotated, Any, Final, TypedDict

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect

from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT
from fastapi_hybrid_breaker.core.override import (
    KINDS_IN_WORDS,
    LONGEST,
    OverrideKind,
    make_override,
)

from .admin_answers import (
    Key,
    describe_done,
    describe_problem,
    done,
    fault_of,
    problem,
    unprocessable,
)
from .caller import AT_MOST, WHEN_NAMED, Callers

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.breaker import HybridBreaker

OVERRIDE_HEADER: Final = "X-Circuit-Override"

_PATH: Final = "/{key:path}/-/override"


class _Order(TypedDict):
    kind: str
    by: str
    reason: str
    seconds: float | None


def add_override_routes(router: APIRouter, breaker: "HybridBreaker", callers: Callers) -> None:
    """Add the paths to the router, which asks ``auth`` by itself."""

    @router.put(
        _PATH,
        summary="Override a circuit",
        status_code=204,
        response_class=Response,
        responses={
            204: describe_done(OVERRIDE_HEADER, "It is in force in this process."),
            422: describe_problem("A key that can name no circuit, or a body of another form."),
        },
        openapi_extra={"requestBody": _BODY},
    )
    async def set_override(
        key: Key, request: Request, caller: Annotated[Any, callers.asked]
    ) -> Response:
        """Override a circuit's state or its mode, in the whole fleet; replaces an earlier one."""
        if fault := fault_of(key):
            return fault
        try:
            # Read here: FastAPI would read a body that it knows of before it asks auth.
            order = _read_order(await request.body(), callers.name_of(caller))
        except (TypeError, ValueError) as error:
            return unprocessable(error)
        except ClientDisconnect:  # nobody hears the answer; a traceback would help nobody either
            return problem(400, "Bad Request", "the body broke off")
        reach = await breaker.override(key, **order)
        return done(OVERRIDE_HEADER, reach, breaker.instance)

    @router.delete(
        _PATH,
        summary="End a circuit's override",
        status_code=204,
        response_class=Response,
        responses={
            204: describe_done(OVERRIDE_HEADER, "None is in force in this process."),
            422: describe_problem("A key that can name no circuit, or a text out of range."),
        },
    )
    async def clear_override(
        key: Key,
        caller: Annotated[Any, callers.asked],
        by: Annotated[str, Query(description=f"Who ends it. {AT_MOST} {WHEN_NAMED}")] = "",
        reason: Annotated[str, Query(description=f"What for. {AT_MOST}")] = "",
    ) -> Response:
        """End a circuit's override in the whole fleet; a 204 also where there is none."""
        if fault := fault_of(key):
            return fault
        try:
            said = callers.said(caller, by, reason)
        except ValueError as error:
            return unprocessable(error)
        reach = await breaker.clear_override(key, **said)
        return done(OVERRIDE_HEADER, reach, breaker.instance)


def _read_order(body: bytes, name: str | None) -> _Order:
    """Read the body of a PUT; ``name`` is who sends it, as far as ``auth`` tells.

    Raises:
        TypeError, ValueError: no JSON object, or a value of another type or range.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body must be a JSON object: {error}") from None
    if not isinstance(said, dict):
        raise TypeError(f"the body must be a JSON object, not {said!r:.100}")
    if strange := sorted(said.keys() - _FIELDS.keys()):
        raise ValueError(f"the body may have {', '.join(_FIELDS)}, not {strange[0]!r:.100}")
    kind, by = said.get("kind"), name or said.get("by")
    if not isinstance(kind, str):
        raise TypeError(f"kind must be {KINDS_IN_WORDS}, not {kind!r:.100}")
    if "seconds" not in said:
        raise ValueError(
            f"seconds must be in the body: a number above 0 and at most {LONGEST:.0f}, or null:"
            " until it is cleared"
        )
    if by is None:
        raise ValueError(
            f"by must be text of 1 to {LONGEST_TEXT} printable characters in the body, as auth"
            " gives no name"
        )
    order = _Order(kind=kind, by=by, reason=said.get("reason", ""), seconds=said["seconds"])
    make_override(**order, now=0.0)  # checked apart: what fails later is not the client's fault
    return order


_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}

_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "kind": {
        "description": (
            "forced_open: reject every call; disabled: admit every call, and count none;"
            " shadow: reject nothing, and record what would have been rejected; enforced: reject"
            " calls whenever the circuit is open, although it is configured for shadow mode."
        ),
        "type": "string",
        "enum": [kind.value for kind in OverrideKind],
    },
    "reason": {"description": "What for.", **_TEXT},
    "seconds": {
        "description": "How long it lasts; null, explicitly: until it is cleared.",
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST},
            {"type": "null"},
        ],
    },
    "by": {"description": f"Who sets it; needed where auth gives no name. {WHEN_NAMED}", **_TEXT},
}

_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "title": "Override",
                "type": "object",
                "properties": _FIELDS,
                "required": ["kind", "reason", "seconds"],
                "additionalProperties": False,
            },
            "example": {"kind": "forced_open", "reason": "a migration", "seconds": 600},
        }
    },
}
