"""What holds for a while, by key."""

from __future__ import annotations

from typing import Final

_FEW: Final = 1_000


class Until:
    """A time by key; those that are over are dropped when there are many more than before.

    So a key costs the same however many there are.
    """

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._most = _FEW

    def note(self, key: str, until: float, now: float) -> None:
        """Note a time; all are monotonic seconds."""
        self._times[key] = until
        if len(self._times) > self._most:
            self._times = {one: end for one, end in self._times.items() if end > now}
            self._most = max(_FEW, 2 * len(self._times))

    def get(self, key: str) -> float:
        """Return the time of a key, 0.0 where there is none."""
        return self._times.get(key, 0.0)

    def drop(self, key: str) -> None:
        """Forget a key."""
        self._times.pop(key, None)
