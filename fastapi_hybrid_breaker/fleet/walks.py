"""Work on all circuits, some at a time: other tasks of the event loop come in between. No I/O."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Walks:
    """Visits many keys for several purposes.

    Between two visits anything may happen: messages, calls, evictions. So a walk goes over keys,
    and a visit looks at what is there when its turn comes; a circuit that is held could not be
    evicted.
    """

    def __init__(self) -> None:
        self._walks: dict[str, tuple[Iterator[str], Callable[[str], object]]] = {}

    def begin(self, name: str, keys: Iterable[str], visit: Callable[[str], object]) -> None:
        """Visit all keys from now on; a walk of the same name that is under way ends."""
        self._walks[name] = iter(tuple(keys)), visit

    def go_on(self, most: int) -> None:
        """Visit the next keys, so many at most. What a visit raises costs that one."""
        while most > 0 and self._walks:
            name, walk = next(iter(self._walks.items()))
            keys, visit = walk
            for key in islice(keys, most):
                most -= 1
                visit(key)
            if most > 0 and self._walks.get(name) is walk:
                del self._walks[name]

    def end(self) -> None:
        """Visit nothing more."""
        self._walks.clear()

    def next_due(self) -> float | None:
        """Return 0.0 while there is something to visit, else None."""
        return 0.0 if self._walks else None
