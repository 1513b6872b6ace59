"""When to look at which circuit again."""

from __future__ import annotations

import heapq
import threading


class Timetable:
    """A due time by key; filled from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a finalizer may come here in the middle
        self._due: dict[str, float] = {}
        # The same by time, with entries left in it that are not valid any more.
        self._order: list[tuple[float, str]] = []

    def note(self, key: str, due: float) -> bool:
        """Have ``key`` taken at ``due``, monotonic seconds; tells whether this is news.

        If it was due before that already, so it stays.
        """
        with self._lock:
            if self._due.get(key, float("inf")) <= due:
                return False
            self._due[key] = due
            heapq.heappush(self._order, (due, key))
            if len(self._order) > 4 * len(self._due) + 100:
                self._order = [(at, one) for one, at in self._due.items()]
                heapq.heapify(self._order)
            return True

    def drop(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            self._due.pop(key, None)

    def take(self, now: float, most: int) -> list[str]:
        """Give the keys that are due, ``most`` of them at most; they are off the table."""
        keys: list[str] = []
        with self._lock:
            while len(keys) < most and (due := self.next_due()) is not None and due <= now:
                _, key = heapq.heappop(self._order)
                del self._due[key]
                keys.append(key)
        return keys

    def next_due(self) -> float | None:
        """Give when the next is due, or None."""
        with self._lock:
            while self._order:
                due, key = self._order[0]
                if self._due.get(key) == due:
                    return due
                heapq.heappop(self._order)
            return None
