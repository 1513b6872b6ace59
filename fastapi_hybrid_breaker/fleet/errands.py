"""What there is to send, one errand per circuit: however often it changes, the newest counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errand import Errand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .errand import Kind, Wish


class Errands:
    """The queue of the lane: bounded, one entry per key; for its event loop alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._errands: dict[str, Errand] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._errands)

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
        if errand.is_done():
            del self._errands[key]
        return True

    def want(self, key: str, wish: Wish, *, must: bool = False) -> bool:
        """Have one thing done for ``key``; as ``edit`` otherwise."""
        return self.edit(key, lambda errand: setattr(errand, wish, True), must=must)

    def take(self, now: float, most: int) -> Iterator[tuple[Kind, str, Errand]]:
        """Take the next thing of up to ``most`` circuits off the queue.

        What comes with it is a copy of the errand as it was.
        """
        taken = 0
        for key, errand in list(self._errands.items()):
            if taken >= most:
                break
            kind = errand.next_kind(now)
            if kind is None:
                continue
            taken += 1
            cut = errand.cut(kind)
            # What is left goes to the end of the row: no circuit waits for a busy one.
            del self._errands[key]
            if not errand.is_done():
                self._errands[key] = errand
            yield kind, key, cut

    def next_due(self) -> float | None:
        """Give when the next errand may be taken; 0.0 for at once."""
        due = None
        for errand in self._errands.values():
            if errand.plain is None or errand.next_kind(errand.plain.due - 1) is not None:
                return 0.0
            due = errand.plain.due if due is None else min(due, errand.plain.due)
        return due
