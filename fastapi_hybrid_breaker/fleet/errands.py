"""What there is to send, one errand per circuit: however often it changes, the newest counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .errand import Errand
from .timetable import Timetable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .errand import Kind, Wish


class Errands:
    """The queue of the lane: bounded, one entry per key; for its event loop alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._errands: dict[str, Errand] = {}
        # Those with something to do now, in the order of their turns; and when the others are due.
        self._ready: dict[str, None] = {}
        self._later = Timetable()
        self.refused: int = 0

    def __len__(self) -> int:
        return len(self._errands)

    @property
    def ready(self) -> int:
        """How many have something to do now."""
        return len(self._ready)

    def edit(self, key: str, edit: Callable[[Errand], object], *, must: bool = False) -> bool:
        """Change the errand of ``key``; False when it is new and the queue is full.

        ``must`` is for circuits in memory: those are bounded by the registry.
        """
        errand = self._errands.get(key)
        if errand is None:
            if len(self._errands) >= self._most and not must:
                self.refused += 1
                return False
            errand = self._errands[key] = Errand()
        edit(errand)
        self._place(key, errand)
        return True

    def want(self, key: str, wish: Wish, *, must: bool = False) -> bool:
        """Queue one thing for ``key``; as ``edit`` otherwise."""
        return self.edit(key, lambda errand: setattr(errand, wish, True), must=must)

    def take(self, now: float, most: int) -> Iterator[tuple[Kind, str, Errand]]:
        """Remove and return the next thing of up to ``most`` circuits.

        What comes with it is a copy of the errand as it was.
        """
        for key in self._later.take(now, most):
            if key in self._errands:
                self._ready[key] = None
        for key in list(islice(self._ready, most)):
            errand = self._errands.get(key)
            kind = None if errand is None else errand.next_kind(now)
            # What is left goes to the end of the row: no circuit waits for a busy one.
            self._ready.pop(key, None)
            if errand is None:
                continue
            cut = None if kind is None else errand.cut(kind)
            self._place(key, errand)
            if kind is not None and cut is not None:
                yield kind, key, cut

    def next_due(self) -> float | None:
        """Return when the next errand may be taken; 0.0: at once."""
        return 0.0 if self._ready else self._later.next_due()

    def _place(self, key: str, errand: Errand) -> None:
        """Put an errand where it belongs: its turn comes now, later, or never."""
        if errand.next_kind(0.0) is not None:
            self._ready[key] = None
            return
        self._ready.pop(key, None)
        if errand.basic is not None:
            self._later.note(key, errand.basic.due)
        else:
            self._later.drop(key)
            del self._errands[key]
