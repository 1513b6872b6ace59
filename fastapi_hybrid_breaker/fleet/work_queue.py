"""What there is to send, one work item per circuit: however often it changes, the newest counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .schedule import Schedule
from .work_item import WorkItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .work_item import Kind, Wish


class WorkQueue:
    """The queue of the sender: bounded, one entry per key; for its event loop alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: dict[str, WorkItem] = {}
        # Those with something to do now, in the order of their turns; and when the others are due.
        self._ready: dict[str, None] = {}
        self._later = Schedule()
        self.refused: int = 0

    def __len__(self) -> int:
        return len(self._work)

    @property
    def ready(self) -> int:
        """How many have something to do now."""
        return len(self._ready)

    def edit(self, key: str, edit: Callable[[WorkItem], object], *, must: bool = False) -> bool:
        """Change the work item of ``key``; False when it is new and the queue is full.

        ``must`` is for circuits in memory: those are bounded by the registry.
        """
        item = self._work.get(key)
        if item is None:
            if len(self._work) >= self._most and not must:
                self.refused += 1
                return False
            item = self._work[key] = WorkItem()
        edit(item)
        self._place(key, item)
        return True

    def want(self, key: str, wish: Wish, *, must: bool = False) -> bool:
        """Queue one thing for ``key``; as ``edit`` otherwise."""
        return self.edit(key, lambda item: setattr(item, wish, True), must=must)

    def take(self, now: float, most: int) -> Iterator[tuple[Kind, str, WorkItem]]:
        """Remove and return the next thing of up to ``most`` circuits.

        What comes with it is a copy of the work item as it was.
        """
        for key in self._later.take(now, most):
            if key in self._work:
                self._ready[key] = None
        for key in list(islice(self._ready, most)):
            item = self._work.get(key)
            kind = None if item is None else item.next_kind(now)
            # What is left goes to the end of the row: no circuit waits for a busy one.
            self._ready.pop(key, None)
            if item is None:
                continue
            cut = None if kind is None else item.cut(kind)
            self._place(key, item)
            if kind is not None and cut is not None:
                yield kind, key, cut

    def next_due(self) -> float | None:
        """Return when the next work item may be taken; 0.0: at once."""
        return 0.0 if self._ready else self._later.next_due()

    def _place(self, key: str, item: WorkItem) -> None:
        """Put a work item where it belongs: its turn comes now, later, or never."""
        if item.next_kind(0.0) is not None:
            self._ready[key] = None
            return
        self._ready.pop(key, None)
        if item.basic is not None:
            self._later.note(key, item.basic.due)
        else:
            self._later.drop(key)
            del self._work[key]
