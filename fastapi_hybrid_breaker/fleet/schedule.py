"""When there is what to do for which circuit."""

from __future__ import annotations

import heapq


class Schedule:
    """A due time by kind of work and key; for one event loop alone."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], float] = {}
        # The same by time, with entries left in it that are not valid any more.
        self._order: list[tuple[float, tuple[str, str]]] = []

    def note(self, kind: str, key: str, due: float) -> None:
        """Plan work for ``due``, monotonic seconds, 0.0: at once; an earlier plan stays."""
        entry = (kind, key)
        if self._due.get(entry, float("inf")) <= due:
            return
        self._due[entry] = due
        heapq.heappush(self._order, (due, entry))
        if len(self._order) > 4 * len(self._due) + 100:
            self._order = [(at, one) for one, at in self._due.items()]
            heapq.heapify(self._order)

    def drop(self, kind: str, key: str) -> None:
        """Forget a plan."""
        self._due.pop((kind, key), None)

    def due_of(self, kind: str, key: str) -> float | None:
        """Return when it is due; None: it is not planned."""
        return self._due.get((kind, key))

    def take(self, now: float, most: int) -> list[tuple[str, str]]:
        """Remove and return kind and key of what is due, ``most`` of them at most."""
        taken: list[tuple[str, str]] = []
        while len(taken) < most and (due := self.next_due()) is not None and due <= now:
            _, entry = heapq.heappop(self._order)
            del self._due[entry]
            taken.append(entry)
        return taken

    def next_due(self) -> float | None:
        """Return when the next is due, or None."""
        while self._order:
            due, entry = self._order[0]
            if self._due.get(entry) == due:
                return due
            heapq.heappop(self._order)
        return None
