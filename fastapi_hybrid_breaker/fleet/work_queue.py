"""What there is to send, one work item per circuit: however often it changes, the newest counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .pending_operations import PendingOperations
from .work_item import WorkItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .schedule import Schedule
    from .work_item import Kind, Request, Wish


class WorkQueue:
    """The queue of the sender: bounded, one entry per key; for its event loop alone.

    Args:
        most: keys at most.
        schedule: in it stands which updates of basic-format clients are to be adopted when.
    """

    plans: tuple[str, ...] = ("plain",)

    def __init__(self, most: int, schedule: Schedule) -> None:
        self._most = most
        self._schedule = schedule
        self._work: dict[str, WorkItem] = {}
        self._ready: dict[str, None] = {}  # with something to do now, in the order of their turns
        self.operations: PendingOperations = PendingOperations()
        self.refused: int = 0

    def __len__(self) -> int:
        return len(self._work)

    @property
    def ready(self) -> int:
        """How many have something to do now."""
        return len(self._ready)

    def want(self, key: str, wish: Wish, *, must: bool = False) -> bool:
        """Queue one thing for ``key``; as ``edit`` otherwise."""
        item = self._item(key, must=must)
        if item is None:
            return False
        setattr(item, wish, True)
        self._ready[key] = None
        return True

    def edit(self, key: str, edit: Callable[[WorkItem], object], *, must: bool = False) -> bool:
        """Change the work item of ``key``; False when it is new and the queue is full.

        ``must`` is for circuits in memory: those are bounded by the registry.
        """
        item = self._item(key, must=must)
        if item is None:
            return False
        edit(item)
        self._place(key, item)
        return True

    def want_change(self, circuit: Circuit) -> None:
        """Propose a circuit's state, if it is one that the fleet has not seen."""
        if circuit._core.membership.unsynced:
            self.want(circuit.key, "change", must=True)

    def forget_basic(self, key: str) -> None:
        """Adopt no update of a basic-format client: one with a version came first."""
        if key in self._work:
            self.edit(key, WorkItem.forget_basic)

    def put_back(self, request: Request) -> None:
        """Queue again what was sent without an answer."""
        self.edit(request.key, lambda item: item.put_back(request), must=True)

    def take(self, now: float, most: int) -> Iterator[tuple[Kind, str, WorkItem]]:
        """Remove and return the next thing of up to ``most`` circuits.

        What comes with it is a copy of the work item as it was.
        """
        for key in list(islice(self._ready, most)):
            item = self._work.get(key)
            # What is left goes to the end of the row: no circuit waits for a busy one.
            self._ready.pop(key, None)
            if item is None:
                continue
            kind = item.next_kind(now)
            cut = None if kind is None else item.cut(kind)
            self._place(key, item)
            if kind is not None and cut is not None:
                yield kind, key, cut

    def due(self, kind: str, key: str, now: float) -> tuple[()]:  # noqa: ARG002 - one kind
        """Begin an update of a basic-format client that was to wait until now."""
        if key in self._work:
            self._ready[key] = None
        return ()

    def _item(self, key: str, *, must: bool) -> WorkItem | None:
        item = self._work.get(key)
        if item is None:
            if len(self._work) >= self._most and not must:
                self.refused += 1
                return None
            item = self._work[key] = WorkItem()
        return item

    def _place(self, key: str, item: WorkItem) -> None:
        """Put a work item where it belongs: its turn comes now, later, or never."""
        if item.next_kind(0.0) is not None:
            self._ready[key] = None
            return
        self._ready.pop(key, None)
        if item.basic is not None:
            self._schedule.note("plain", key, item.basic.due)
        else:
            self._schedule.drop("plain", key)
            del self._work[key]
