"""What is written again for basic-format clients that write over it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .timetable import Timetable
from .until import Until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .errand import Wish
    from .errands import Errands


class Reassertions:
    """Writes at once, but not too often; after their last word once more.

    Args:
        errands: where it is queued.
        clock: monotonic seconds.
    """

    def __init__(self, errands: Errands, clock: Callable[[], float]) -> None:
        self._errands = errands
        self._clock = clock
        self._not_before = Until()
        self._due = Timetable()
        self._wishes: dict[str, Wish] = {}  # of those that are due later
        self.next_due: Callable[[], float | None] = self._due.next_due

    def want(self, key: str, wish: Wish, every: float) -> None:
        """Queue it, now or when ``every`` seconds have passed since the last time."""
        now, due = self._clock(), self._not_before.get(key)
        if now < due:
            self._wishes[key] = wish
            self._due.note(key, due)
            return
        self._not_before.note(key, now + every, now)
        self._errands.want(key, wish, must=True)

    def take_due(self, most: int) -> None:
        """Queue what is due by now, for so many circuits at most."""
        for key in self._due.take(self._clock(), most):
            if (wish := self._wishes.pop(key, None)) is not None:
                self._errands.want(key, wish, must=True)
