"""``Retry-After``: how long a dependency asks to be left alone. Pure, and never raises."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

ASKING: frozenset[int] = frozenset({429, 503})
"""The statuses with which the header asks for a pause (RFC 9110, 10.2.3; RFC 6585, 4)."""

_LONGEST = 366 * 86_400.0
"""Seconds; what asks for more is a mistake or an attack."""


def read_retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for; None where it is not usable.

    Args:
        value: the header: whole seconds, or an HTTP date.
        date: the response's ``Date``, with which a date is compared, whatever this host's clock
            shows; without one it is compared with ``now``.
        now: epoch seconds by this host's clock.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value) if len(value) <= 9 else math.inf
    else:
        at = _epoch(value)
        if at is None:
            return None
        sent = None if date is None else _epoch(date)
        seconds = max(0.0, at - (now if sent is None else sent))
    return seconds if seconds <= _LONGEST else None


def _epoch(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        if moment.tzinfo is None:  # "-0000": UTC, of unknown place
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(0, UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
