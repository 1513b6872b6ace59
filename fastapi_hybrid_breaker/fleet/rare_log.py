"""Log lines about what strangers send: one a minute, however much they send."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("fastapi_hybrid_breaker")

_PAUSE: Final = 60.0
"""Seconds."""


class RareLog:
    """Counts all, logs the first, then one line a minute that says how many there were."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._unsaid = 0
        self.count = 0

    def warn(self, text: str, *, times: int = 1) -> None:
        """Count and perhaps log; ``text`` must be free of what the stranger sent."""
        self.count += times
        self._unsaid += times
        now = self._clock()
        if now >= self._next:
            log.warning("dropped from Redis: %s (%d since the last such line)", text, self._unsaid)
            self._next, self._unsaid = now + _PAUSE, 0
