"""Single values that come from Redis: checked here, whoever sent them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fastapi_hybrid_breaker.core.states import CircuitState

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION_LIMIT: Final = 2**53 - 10**12
"""Versions are exact as Lua and JavaScript numbers, with room to count on."""

LATEST: Final = 2**53 - 1
"""The highest number that is read, of any field."""

MOST_COUNTED: Final = 10**12

_LONGEST: Final = 16
"""Digits of a number that comes as text."""

_CONTROL: Final = re.compile(r"[\x00-\x1f]")

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")

BASIC_FIELDS: Final = ("state", "failures", "successes", "nextAttempt")

_STATES: Final = frozenset(CircuitState)

_LONGEST_JSON: Final = 2048
"""Bytes of JSON beside a state or an override."""

_FOUR: Final = re.compile(r"([A-Z_]+)\|([0-9]+)\|([0-9]+)\|([0-9]+)")


class MalformedError(ValueError):
    """Something from Redis that is not in the format."""


def read_number(field: str, value: object, most: int = LATEST) -> int:
    """Return a count or a time: an int, an integral float, or 1 to 16 ASCII digits.

    Clients of the basic format send all three, and ``5.0`` in a hash, where a float is text;
    ``None`` (absent) is 0. The scripts read the same texts, see ``scripts/values.lua``.

    Raises:
        MalformedError: it is anything else, negative, or above ``most``.
    """
    if value is None:
        return 0
    if isinstance(value, str):
        text = value.removesuffix(".0")
        if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
            raise MalformedError(f"a {field} that is not a number")
        value = int(text)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError(f"a {field} that is not a number")
    # NaN is in no range: it compares with nothing. No function of math is called: those raise
    # OverflowError, for whole numbers in JSON have as many digits as their writer likes.
    if not 0 <= value <= most:
        raise MalformedError(f"a {field} out of range")
    if value != int(value):
        raise MalformedError(f"a {field} that is not a whole number")
    return int(value)


def read_count(field: str, value: object) -> int:
    """Return a count; above its range it is the highest, for a state matters more than a figure.

    Raises:
        MalformedError: it is not a number.
    """
    return min(read_number(field, value), MOST_COUNTED)


def read_time(field: str, value: object) -> float:
    """Return seconds from a time in milliseconds.

    Raises:
        MalformedError: it is not a number.
    """
    return read_number(field, value) / 1000


def read_exact_time(field: str, value: object, most: int = LATEST) -> float:
    """Return a time of our own that has a fraction, in the unit that it came in.

    Raises:
        MalformedError: it is not a number.
    """
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise MalformedError(f"a {field} that is not a time")
    return float(value)


def read_version(value: object) -> int:
    """Read a version: decimal digits in a string, since JSON numbers lose some on the way."""
    if isinstance(value, str):
        version = read_number("version", value)
        if 0 < version < VERSION_LIMIT:
            return version
    raise MalformedError("a version that is none")


def is_name(value: object) -> bool:
    """Whether it can be the name of an instance."""
    return isinstance(value, str) and 1 <= len(value) <= 64 and value.isascii() and value.isalnum()


def read_writer(value: object) -> str:
    """Read the name of an instance."""
    if isinstance(value, str) and is_name(value):
        return value
    raise MalformedError("a writer that is none")


def read_four(text: str | None) -> dict[str, Any] | None:
    """Return the basic fields from ``state|failures|successes|nextAttempt``; None: malformed."""
    found = _FOUR.fullmatch(text or "")
    if found is None:
        return None
    fields = dict(
        zip(("state", "failures", "successes", "nextAttempt"), found.groups(), strict=True)
    )
    return fields if is_basic(fields) else None


def is_basic(fields: Mapping[str, Any]) -> bool:
    """Whether the four fields of the basic format are well-formed: they count as a whole or not."""
    try:
        for name in BASIC_FIELDS[1:]:
            read_number(name, fields[name])
    except MalformedError:
        return False
    return fields["state"] in _STATES


def read_json(what: str, data: bytes | str) -> Any:
    """Return what is written as JSON.

    Raises:
        MalformedError: it is not JSON.
    """
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what} that is not JSON: {error}"[:200]) from None


def as_text(data: bytes) -> str:
    """Return the text of bytes that may be none: what cannot be read is a lone surrogate then."""
    return data.decode(errors="surrogateescape")


def read_flat_json(what: str, text: str) -> dict[str, Any]:
    """Return an object of nothing but texts and counts, as the scripts quote it in messages.

    Raises:
        MalformedError: it is not one, or longer than the scripts take.
    """
    try:
        is_too_long = len(text.encode()) > _LONGEST_JSON
    except UnicodeEncodeError:
        raise MalformedError(f"{what} that is not text") from None
    if is_too_long or _CONTROL.search(text):
        raise MalformedError(f"{what} that is too long or has control characters")
    said = read_json(what, text)
    if not isinstance(said, dict) or not all(
        isinstance(value, str) or (type(value) is int and value >= 0) for value in said.values()
    ):
        raise MalformedError(f"{what} that is not an object of texts and counts")
    if _SURROGATE_ESCAPE.search(text):
        _check_letters(what, said)
    return said


def _check_letters(what: str, said: dict[str, Any]) -> None:
    try:
        json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedError(f"{what} with half of a letter in it") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
