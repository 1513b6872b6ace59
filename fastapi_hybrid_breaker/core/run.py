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

    __slots__ = ("_failures", "_parts")

    def __init__(self) -> None:
        # When the first failure of a part was, how many it has, and the longest pause asked for.
        self._parts: deque[tuple[float, int, float | None]] = deque()
        self._failures = 0  # in all parts

    def add(self, now: float, asked: float | None) -> int:
        """Count a failure that asked for a pause of ``asked`` seconds; return the new length."""
        at, failures = now, 1
        if self._parts and now - self._parts[-1][0] < _TOGETHER:
            at, failures, before = self._parts.pop()
            failures += 1
            asked = longer(asked, before)
        self._parts.append((at, failures, asked))
        self._failures += 1
        while now - self._parts[0][0] > RUN_LIFE:
            self._failures -= self._parts.popleft()[1]
        return self._failures

    def count(self, now: float) -> int:
        """Return how many failures the run has at ``now``."""
        gone = 0
        for at, failures, _ in self._parts:
            if now - at <= RUN_LIFE:
                break
            gone += failures
        return self._failures - gone

    def asked(self) -> float | None:
        """Return the longest pause that was asked for, as of the last failure; None: none was."""
        return max((asked for *_, asked in self._parts if asked is not None), default=None)


def longer(one: float | None, other: float | None) -> float | None:
    """Return the longer of two pauses that were asked for, either of which may be None."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
