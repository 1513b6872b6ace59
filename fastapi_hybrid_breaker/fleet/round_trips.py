"""How long exchanges with the server take."""

from __future__ import annotations

from collections import deque
from typing import Final

_LAST: Final = 8
"""Exchanges that are remembered: the way to the server can change."""


class RoundTrips:
    """The durations of the last exchanges, seconds."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_LAST)

    def note(self, seconds: float) -> None:
        """Record one exchange, from sending its commands to having the answers."""
        self._last.append(seconds)

    @property
    def longest(self) -> float:
        """The longest of the last eight; 0.0 before the first."""
        return max(self._last, default=0.0)
