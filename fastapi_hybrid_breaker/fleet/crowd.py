"""How many circuits have something to do at about the same time."""

from __future__ import annotations

from collections import Counter
from typing import Final

_BUCKET: Final = 0.5
"""Seconds."""


class Crowd:
    """A moment by key. Counting those near a moment costs the same however many there are."""

    def __init__(self) -> None:
        self._buckets: dict[str, int] = {}
        self._counts: Counter[int] = Counter()

    def note(self, key: str, at: float) -> None:
        """Note the moment of a key, monotonic seconds, in place of the one before."""
        self.drop(key)
        bucket = self._buckets[key] = int(at // _BUCKET)
        self._counts[bucket] += 1

    def drop(self, key: str) -> None:
        """Forget a key."""
        bucket = self._buckets.pop(key, None)
        if bucket is not None:
            self._counts[bucket] -= 1
            if not self._counts[bucket]:
                del self._counts[bucket]

    def near(self, at: float) -> int:
        """Return how many moments are within about a second of this one."""
        bucket = int(at // _BUCKET)
        return sum(self._counts[one] for one in range(bucket - 2, bucket + 3))
