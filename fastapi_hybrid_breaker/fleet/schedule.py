"""When to look at which circuit again."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Schedule:
    """A due time by key; for one event loop alone."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        # The same by time, with entries left in it that are not valid any more.
        self._order: list[tuple[float, str]] = []

    def note(self, key: str, due: float) -> None:
        """Plan ``key`` for ``due``, monotonic seconds; if it is due before, so it stays."""
        if self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._order, (due, key))
        if len(self._order) > 4 * len(self._due) + 100:
            self._order = [(at, one) for one, at in self._due.items()]
            heapq.heapify(self._order)

    def drop(self, key: str) -> None:
        """Forget a key."""
        self._due.pop(key, None)

    def take(self, now: float, most: int) -> Iterator[str]:
        """Iterate over the keys that are due, ``most`` of them at most, and remove them."""
        for _ in range(most):
            due = self.next_due()
            if due is None or due > now:
                return
            _, key = heapq.heappop(self._order)
            del self._due[key]
            yield key

    def next_due(self) -> float | None:
        """Return when the next is due, or None."""
        while self._order:
            due, key = self._order[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._order)
        return None
