"""The consecutive failures of one circuit, and what the upstream asked for with them."""

from __future__ import annotations

from collections import deque
from typing import Final

RUN_LIFE: Final = 3600.0
"""Seconds after which a failure leaves a run: failures far apart are no outage."""

_TOGETHER: Final = 1.0
"""Seconds within which failures are kept, and leave, as one: so a run is bounded in memory."""


class Run:
    """Consecutive failures since the last success; those of over an hour ago have left.

    Made with the first failure, and dropped by whoever has it with the success that ends it.
    """

    __slots__ = ("_asked", "_at", "_before", "_failures", "_older")

    def __init__(self) -> None:
        self._failures = 0  # in all parts
        # The newest part: when it began, how many came before it, the longest pause asked for.
        self._at = float("-inf")
        self._before = 0
        self._asked: float | None = None
        self._older: deque[tuple[float, int, float | None]] = deque()

    def add(self, now: float, asked: float | None) -> int:
        """Count a failure that asked for a pause of ``asked`` seconds; return the new length."""
        if now - self._at >= _TOGETHER:
            self._begin_part(now)
        self._failures += 1
        if asked is not None:
            self._asked = longer(asked, self._asked)
        return self._failures

    def _begin_part(self, now: float) -> None:
        if self._failures:
            self._older.append((self._at, self._failures - self._before, self._asked))
        while self._older and now - self._older[0][0] > RUN_LIFE:
            self._failures -= self._older.popleft()[1]
        self._at, self._before, self._asked = now, self._failures, None

    def count(self, now: float) -> int:
        """Return how many failures the run has at ``now``."""
        parts = (*self._older, (self._at, self._failures - self._before, self._asked))
        return sum(failures for at, failures, _ in parts if now - at <= RUN_LIFE)

    def asked(self) -> float | None:
        """Return the longest pause that was asked for, as of the last failure; None: none was."""
        if not self._older:
            return self._asked
        pauses = [self._asked, *(asked for *_, asked in self._older)]
        return max((asked for asked in pauses if asked is not None), default=None)


def longer(one: float | None, other: float | None) -> float | None:
    """Return the longer of two pauses that were asked for, either of which may be None."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
