"""The bodies of requests that the admin router takes: models, and reading them within a limit."""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import json
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from fastapi_hybrid_breaker.core.checks import LONGEST_TEXT, check_text
from fastapi_hybrid_breaker.core.override import KINDS_IN_WORDS, LONGEST

from .admin_answers import TEXT_SCHEMA

LONGEST_BODY: Final = 64 * 1024
"""Bytes of a request's body; the largest valid one has fewer than 6,000."""

_Text = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_TEXT, json_schema_extra=TEXT_SCHEMA),
    AfterValidator(lambda text: check_text("it", text)),  # printable
]


class BodyTooLargeError(Exception):
    """A body is longer than ``LONGEST_BODY``, as announced or as read so far."""

    def __str__(self) -> str:
        return f"the body must have at most {LONGEST_BODY} bytes"


class OverrideOrder(BaseModel):
    """The body of ``PUT /{key}/-/override``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="Override", extra="forbid", strict=True)

    kind: Literal["forced_open", "disabled", "shadow", "enforced"] = Field(
        description=(
            "forced_open: reject every call; disabled: admit every call, and count none;"
            " shadow: reject nothing, and record what would have been rejected; enforced: reject"
            " calls whenever the circuit is open, although it is configured for shadow mode."
        )
    )
    reason: _Text = Field(description="What for.")
    seconds: Annotated[float, Field(gt=0, le=LONGEST)] | None = Field(
        description="How long it lasts; null, explicitly: until it is cleared."
    )
    by: _Text | SkipJsonSchema[None] = Field(
        default=None,
        description=(
            "Who sets it; needed where auth gives no name. Where auth gives a name, that one"
            " counts instead."
        ),
    )


ORDER_EXAMPLE: Final[dict[str, Any]] = {
    "kind": "forced_open",
    "reason": "a migration",
    "seconds": 600,
    "by": "ann",
}


async def read_body(request: Request) -> bytes:
    """Read a request's body, but no more than ``LONGEST_BODY`` bytes of it.

    Raises:
        BodyTooLargeError: it is longer. What has not been read yet is left to the server.
        ClientDisconnect: the client left before its end.
    """
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > 20 or int(announced) > LONGEST_BODY):
        raise BodyTooLargeError
    body = bytearray()
    async for chunk in request.stream():  # a chunked body announces no length
        body += chunk
        if len(body) > LONGEST_BODY:
            raise BodyTooLargeError
    return bytes(body)


def parse_order(body: bytes) -> OverrideOrder:
    """Parse the body of an override.

    Raises:
        TypeError, ValueError: it is not a JSON object, or a value has another type or range; the
            text names the field, its range and the value.
    """
    try:
        # By this parser, which keeps lone surrogates: so the error is about the field.
        given = json.loads(body)
        if not isinstance(given, dict):
            raise TypeError(f"the body must be a JSON object, not {given!r:.100}")
        return OverrideOrder.model_validate(given)
    except ValidationError as error:
        raise ValueError(_explain(error, given)) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the body must be a JSON object: {error}") from None


def _explain(error: ValidationError, given: dict[str, Any]) -> str:
    # By what was given: the error about a name with half of a letter in it does not say which.
    strange = sorted(name for name in given if name not in _WANTED)
    if strange:
        return f"the body may have {', '.join(_WANTED)}, not {strange[0]!r:.100}"
    faults = {fault["loc"][0] for fault in error.errors(include_url=False)}
    name = next(name for name in _WANTED if name in faults)
    if name == "seconds" and name not in given:
        return f"seconds must be in the body: {_A_TIME}, or null: until it is cleared"
    absent = "" if name == "reason" else None
    try:
        value = f"{given.get(name, absent)!r:.300}"
    except RecursionError:  # as deep as the parser allows
        value = "what is nested so deeply"
    return f"{name} must be {_WANTED[name]}, not {value}"


_A_TIME: Final = f"a number above 0 and at most {LONGEST:.0f}"
_A_TEXT: Final = f"text of 1 to {LONGEST_TEXT} printable characters"

_WANTED: Final = {
    "kind": KINDS_IN_WORDS,
    "reason": _A_TEXT,
    "seconds": f"a number of seconds above 0 and at most {LONGEST:.0f}",
    "by": _A_TEXT,
}
