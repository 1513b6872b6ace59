"""Numbers as a server reads and writes them."""

from __future__ import annotations

import re

from .data import RefusedError

NO_INTEGER = "ERR value is not an integer or out of range"
_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}")


def read_integer(text: str, refusal: str = NO_INTEGER) -> int:
    """Read a whole number.

    Raises:
        RefusedError: it is none.
    """
    if not _INTEGER.fullmatch(text):
        raise RefusedError(refusal)
    return int(text)


def read_score(text: str, refusal: str = "ERR value is not a valid float") -> float:
    """Read a score, which may be infinite; raises as ``read_integer``."""
    try:
        score = float(text)
    except ValueError:
        raise RefusedError(refusal) from None
    if score != score:  # noqa: PLR0124 - not a number
        raise RefusedError(refusal)
    return score


def write_score(score: float) -> str:
    """Write a score: whole ones without a point, others as short as they can be."""
    if abs(score) == float("inf"):
        return "inf" if score > 0 else "-inf"
    if score == int(score) and abs(score) < 1e17:
        return str(int(score))
    return repr(score)
