"""When to look at which circuit again."""

from __future__ import annotations

import threading


class Timetable:
    """A due time by key; filled from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a finalizer may come here in the middle
        self._due: dict[str, float] = {}

    def note(self, key: str, due: float) -> bool:
        """Have ``key`` taken at ``due``, monotonic seconds; tells whether this is news.

        If it was due before that already, so it stays.
        """
        with self._lock:
            if self._due.get(key, float("inf")) <= due:
                return False
            self._due[key] = due
            return True

    def drop(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._due.pop(key, None)

    def take(self, now: float, most: int) -> list[str]:
        """Give the keys that are due, ``most`` of them at most; they are off the table."""
        with self._lock:
            keys = [key for key, due in self._due.items() if due <= now][:most]
            for key in keys:
                del self._due[key]
            return keys

    def next_due(self) -> float | None:
        """Give when the next is due, or None."""
        with self._lock:
            return min(self._due.values(), default=None)
