"""Answers of the script that gives leases."""

from __future__ import annotations

from typing import Any

from fastapi_hybrid_breaker.core.checks import DAY

from .fields import MOST_COUNTED, MalformedError, read_number


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
    milliseconds, places, successes = (read_number("lease", text) for text in texts)
    if status == "granted" and places < 1:
        raise MalformedError("a lease without a place")
    # An opening by a neighbour's clock can end long after any of ours.
    return status, min(milliseconds, DAY * 1000), places, min(successes, MOST_COUNTED)
