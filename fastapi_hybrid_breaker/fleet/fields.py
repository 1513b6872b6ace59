"""Single values that come from Redis: checked here, whoever sent them."""

from __future__ import annotations

from typing import Final

VERSION_LIMIT: Final = 2**53 - 10**12
"""Versions are exact as Lua and JavaScript numbers, with room to count on."""


class MalformedError(ValueError):
    """Something from Redis that is not in the format."""


def number(field: str, value: object, least: float, most: float) -> float:
    """Read a number that may come as text or not at all (0)."""
    if value is None:
        value = 0
    if isinstance(value, str) and len(value) <= 32:
        try:
            value = float(value)
        except ValueError:
            raise MalformedError(f"a {field} that is no number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedError(f"a {field} that is no number")
    # Nor is NaN in any range: it compares with nothing. And no function of math is asked, for those
    # raise OverflowError: JSON's whole numbers have as many digits as their writer likes.
    if not least <= value <= most:
        raise MalformedError(f"a {field} out of range")
    return value


def read_version(value: object) -> int:
    """Read a version: decimal digits in a string, since JSON numbers lose some on the way."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        version = int(value)
        if 0 < version < VERSION_LIMIT:
            return version
    raise MalformedError("a version that is none")


def read_writer(value: object) -> str:
    """Read the name of an instance."""
    if isinstance(value, str) and 1 <= len(value) <= 64 and value.isascii() and value.isalnum():
        return value
    raise MalformedError("a writer that is none")
