"""Answers of the script that gives leases."""

from __future__ import annotations

from typing import Any, Final

from .fields import MalformedError, number

_MOST: Final = 10**12


def parse_answer(answer: Any) -> tuple[str, float, int, int]:
    """Read the script's answer: a word, milliseconds, places, successes.

    Raises:
        MalformedError: it is none.
    """
    if not isinstance(answer, list) or len(answer) != 4:
        raise MalformedError(f"an answer of the script that is none: {answer!r:.200}")
    try:
        status, *texts = (one.decode() for one in answer)
    except (UnicodeDecodeError, AttributeError):
        raise MalformedError("an answer of the script that is no text") from None
    milliseconds, places, successes = (number("lease", text, 0, _MOST) for text in texts)
    if status == "granted" and places < 1:
        raise MalformedError("a lease without a place")
    return status, milliseconds, int(places), int(successes)
