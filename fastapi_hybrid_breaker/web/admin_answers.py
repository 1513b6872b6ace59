"""What the admin router's paths share: the key, problems, and how far a change came."""

# No "from __future__ import annotations" here: FastAPI reads the annotations of the endpoints.

from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Path, Response
from starlette.responses import JSONResponse

from fastapi_hybrid_breaker.circuits.host import Reach, ResetResult
from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT
from fastapi_hybrid_breaker.core.keys import LONGEST_KEY, check_key
from fastapi_hybrid_breaker.core.override import OverrideKind, OverrideView

from .problem import PROBLEM_TYPE, Problem, problem_content

KEY_SCHEMA: Final[dict[str, Any]] = {
    "maxLength": LONGEST_KEY,
    "pattern": (
        r"^(?!(.*/)?\.{1,2}(/.*)?$)(?!.*-/)[^\u0000-\u001f\u007f-\u009f]*$"  # as check_key has it
    ),
}
"""Describes keys for OpenAPI. What FastAPI would check by it, it would answer in its own way."""

TEXT_SCHEMA: Final[dict[str, Any]] = {
    "maxLength": LONGEST_TEXT,
    "pattern": r"^[ \p{L}\p{M}\p{N}\p{P}\p{S}]*$",  # what Python calls printable
}

Key = Annotated[
    str,
    Path(
        description="The circuit's key, percent-encoded.",
        json_schema_extra={"minLength": 1, **KEY_SCHEMA},
    ),
]


def fault_of(key: str) -> JSONResponse | None:
    """Return the answer to a key that can name no circuit."""
    try:
        check_key(key)
    except ValueError as error:
        return unprocessable(error)
    return None


def unprocessable(error: Exception) -> JSONResponse:
    """Answer that a value is of another type or range, in the words of the check."""
    return problem(422, "Unprocessable Content", str(error))


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """Answer with a problem."""
    said = Problem(title=title, status=status, detail=detail)
    return JSONResponse(said.model_dump(), status, media_type=PROBLEM_TYPE)


def done(header: str, reach: Reach | ResetResult, instance: str) -> Response:
    """Answer that a change is made, in ``header`` how far it came, and who has the action."""
    return Response(status_code=204, headers={header: reach, _INSTANCE_HEADER: instance})


def describe_problem(description: str) -> dict[str, Any]:
    """Describe a problem for OpenAPI."""
    return {"description": description, "content": problem_content(Problem)}


REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": description,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"detail": {"description": "Why, as auth words it."}},
                    "required": ["detail"],
                }
            }
        },
    }
    for status, description in (
        (401, "auth does not know who asks."),
        (403, "auth does not let the caller do this, or another site's page asks for a change."),
    )
}
"""Describes for OpenAPI how ``auth`` refuses, where it raises FastAPI's ``HTTPException``."""


def describe_override(override: OverrideView) -> str:
    """Return an override as the value of ``OVERRIDDEN_HEADER``; a header has no other letters."""
    return f"{override.kind}; by={quote(override.by, safe='')}"


def describe_done(
    header: str, description: str, *, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Describe for OpenAPI what ``done`` answers, with ``more`` headers."""
    headers = {header: _REACH, _INSTANCE_HEADER: _INSTANCE} | (more or {})
    return {"description": description, "headers": headers}


OVERRIDDEN_HEADER: Final = "X-Circuit-Overridden"

OVERRIDDEN: Final[dict[str, Any]] = {
    "description": (
        "The manual override that is still in force, absent without one: its kind, and"
        " percent-encoded who set it, as in `forced_open; by=ann%40desk`."
    ),
    "required": False,
    "schema": {"type": "string", "pattern": f"^({'|'.join(OverrideKind)}); by=[^ ]+$"},
}


_INSTANCE_HEADER: Final = "X-Circuit-Instance"

_INSTANCE: Final[dict[str, Any]] = {
    "description": "The answering process: what is queued is queued there.",
    "required": True,
    "schema": {"type": "string"},
}

_REACH: Final[dict[str, Any]] = {
    "description": (
        "fleet: stored for all processes; queued: sent as soon as Redis answers;"
        " local: there is no fleet."
    ),
    "required": True,
    "schema": {"enum": ["fleet", "queued", "local"]},
}
