"""Texts for a terminal: harmless whatever they hold, and times in short."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.override import LONGEST
from fastapi_hybrid_breaker.core.states import Cause

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.evidence import Evidence

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}

_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([smhd]?)")

_CAUSES: Final[dict[str, str]] = {
    Cause.FAILURES: "it failed",
    Cause.SLOW_CALLS: "it was slow",
    Cause.PROBE_FAILED: "a probe failed",
    Cause.PROBES_SUCCEEDED: "its probes succeeded",
    Cause.TIMEOUT: "its recovery timeout has elapsed",
    Cause.HALF_OPEN_EXPIRED: "it was half open too long",
    Cause.RESET: "it was reset",
}


def harmless(text: str) -> str:
    """Return a text without what would steer a terminal or turn its direction; that is escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def shown(key: str) -> str:
    """Return a key for a sentence, harmless and in quotes."""
    return harmless(repr(key))


def read_duration(option: str, text: str) -> float:
    """Read ``30s``, ``10m``, ``2h``, ``1d``, or plain seconds.

    Raises:
        ValueError: it is none of them, or out of range.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if not 0.0 < seconds <= LONGEST:
        raise ValueError(
            f"{option} must be a time such as 30s, 10m, 2h, 1d or plain seconds, above 0 and at"
            f" most {LONGEST / 86_400:.0f}d ({LONGEST:.0f} seconds), not {text!r}"
        )
    return seconds


def duration(seconds: float) -> str:
    """Return seconds in short: ``7s``, ``3m 20s``, ``5h 4m``, ``2d 1h``."""
    left = max(0, round(seconds))
    parts = []
    for unit, size in _UNITS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
        if parts and (len(parts) == 2 or left == 0):
            break
    return " ".join(parts) or "0s"


def why(evidence: Evidence | None) -> str:
    """Return in words what a state was decided on; "" where nobody has said."""
    if evidence is None:
        return ""
    cause = evidence.rule or _CAUSES.get(evidence.cause, "")
    parts = [f"{cause} by {evidence.by}" if evidence.by else cause]
    if evidence.calls:
        slow = f", {evidence.slow} slow" if evidence.slow else ""
        parts.append(f"{evidence.failed} of {evidence.calls} calls failed{slow}")
    parts += [evidence.error, evidence.reason]
    return harmless("; ".join(part for part in parts if part))
