"""Work on all circuits, some at a time: other tasks of the event loop come in between. No I/O."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .own_instance import OwnInstance

    _Walk = tuple[Iterator[str], Callable[[str], object]]

_AT_ONCE: Final = 50
_LEAST: Final = 5
"""Keys that are visited before other tasks of the loop have their turn."""


class Walks:
    """Visits many keys for several purposes.

    Between two visits anything may happen: messages, calls, evictions. So a walk goes over keys,
    and a visit looks at what is there when its turn comes; a circuit that is held could not be
    evicted.

    Args:
        own: this instance.
    """

    plans: tuple[str, ...] = ("walk",)

    def __init__(self, own: OwnInstance) -> None:
        self._own = own
        self._walks: dict[str, _Walk] = {}

    def begin(self, name: str, keys: Iterable[str], visit: Callable[[str], object]) -> None:
        """Visit all keys from now on; a walk of the same name that is under way ends."""
        self._walks[name] = iter(tuple(keys)), visit
        self._own.schedule.note("walk", name, 0.0)

    def due(self, kind: str, key: str, now: float) -> tuple[()]:  # noqa: ARG002 - one kind
        """Visit the next keys of the walk ``key``; fewer, where much is to be sent already."""
        if (walk := self._walks.get(key)) is not None:
            self._go_on(key, walk, max(_LEAST, _AT_ONCE - self._own.work.ready))
        return ()

    def _go_on(self, name: str, walk: _Walk, most: int) -> None:
        keys, visit = walk
        visited = 0
        for key in islice(keys, most):
            visited += 1
            with self._own.faults.contain("a walk over circuits"):
                visit(key)
        if self._walks.get(name) is not walk:
            return
        if visited == most:
            self._own.schedule.note("walk", name, 0.0)
        else:
            del self._walks[name]

    def end(self) -> None:
        """Visit nothing more."""
        self._walks.clear()
