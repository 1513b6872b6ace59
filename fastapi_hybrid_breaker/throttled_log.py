"""Log lines about what may come without end: one a minute, however often it comes."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

_PAUSE: Final = 60.0
"""Seconds."""


class ThrottledLog:
    """Counts all, logs the first, then one line a minute that says how many there were.

    Never raises, and may be used from any thread, without a lock: two threads at the same moment
    may log a line each.

    Args:
        clock: monotonic seconds.
        prefix: what each line begins with.
    """

    def __init__(self, clock: Callable[[], float], prefix: str) -> None:
        self._clock = clock
        self._prefix = prefix
        self._next = float("-inf")
        self._unsaid = 0
        self.count: int = 0

    def warn(self, text: str, *, times: int = 1) -> None:
        """Count and perhaps log; ``text`` must be free of what strangers sent."""
        self._note(text, times, None)

    def fail(self, text: str, error: BaseException) -> None:
        """Count and perhaps log an error, with its traceback."""
        self._note(text, 1, error)

    def _note(self, text: str, times: int, error: BaseException | None) -> None:
        self.count += times
        self._unsaid += times
        now = self._clock()
        if now < self._next:
            return
        # Set first: what handles the line may come back here.
        self._next, unsaid, self._unsaid = now + _PAUSE, self._unsaid, 0
        level = logging.WARNING if error is None else logging.ERROR
        line = "%s%s (%d since the last such line)"
        with contextlib.suppress(Exception):  # a logging handler whose server is down
            log.log(level, line, self._prefix, text, unsaid, exc_info=error)
