"""Which circuit makes room for another one."""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.retention import Loss, loss_of

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from .circuit import Circuit
    from .held_overrides import HeldOverrides

next_use: Final = itertools.count(1).__next__
"""Numbers look-ups, for ``Circuit.used``: one step, so without a lock, and cheaper than a clock."""

_FEW: Final = 64
"""So many circuits are looked at each time."""

_SHARE: Final = 32
"""Of more circuits, so many are looked at each time."""

_LOOK_AFTER: Final = 1.0
"""Seconds between two looks at all of them, where none that is listed may go."""

_MOST_MADE: Final = 1_024
"""Circuits that are remembered as made of late; older ones have been listed, or will be."""

_PASSED_OVER: Final = 16
"""Circuits at most that are passed over in one search since they were used after the look. Where
all are in use the order means little, and the search must end."""

_TRIED: Final = 1_500
"""Candidates at most that are tried in one search. Where thousands are held, as by code that keeps
its circuits, trying them all would hold up the caller, and all others on its event loop."""


class Eviction:
    """Forgets circuits in the order of ``Loss``, and of those alike the least recently used.

    A look at all circuits lists them in this order. The next list is made bit by bit, so that a
    new key costs the same however many circuits there are. Each circuit is looked at again before
    it is forgotten: an old list can pass over one that may go, and never forgets another that may
    not. Not safe from threads by itself: the registry holds its lock.

    Args:
        by_key: the registry's circuits.
        kept: keys whose circuits are never forgotten.
        clock: monotonic seconds.
        held: where overrides stay whose circuit is forgotten.
    """

    def __init__(
        self,
        by_key: dict[str, Circuit],
        kept: Container[str],
        clock: Callable[[], float],
        held: HeldOverrides,
    ) -> None:
        self._by_key = by_key
        self._kept = kept
        self._clock = clock
        self._held = held
        self._listed: deque[tuple[Loss, int, str]] = deque()
        self._next_list: list[tuple[Loss, int, str]] = []
        self._unseen: list[str] = []  # keys that are still to be looked at for it, from its end
        # Those of late, with their first use: the list may not have them.
        self._made: deque[tuple[int, str]] = deque(maxlen=_MOST_MADE)
        self._looked_at = float("-inf")

    def made(self, circuit: Circuit) -> None:
        """Note a circuit that was made."""
        self._made.append((circuit._used, circuit.key))

    def forget_one(self) -> bool:
        """Forget the circuit with which the least is lost; return whether there was one."""
        now = self._clock()
        if len(self._by_key) <= _FEW:
            self._look_at_all(now)
        elif self._is_list_poor():
            self._look_at(_SHARE, now)
        if self._forget_listed(now):
            return True
        if self._listed or now - self._looked_at < _LOOK_AFTER:
            return False  # the next search goes on with what is listed
        self._look_at_all(now)
        return self._forget_listed(now)

    def _is_list_poor(self) -> bool:
        """Whether the list is short, or may have missed some that can go rather than its first."""
        is_short = len(self._listed) * _SHARE <= 2 * len(self._by_key)
        return is_short or self._listed[0][0] > Loss.NOTHING

    def _look_at_all(self, now: float) -> None:
        self._unseen, self._next_list = [], []
        self._look_at(len(self._by_key), now)
        self._looked_at = now

    def _look_at(self, most: int, now: float) -> None:
        """Look at some more circuits, and use the next list once it is complete."""
        unseen, found = self._unseen, self._next_list
        if not unseen:
            unseen.extend(reversed(self._by_key))
        for _ in range(min(most, len(unseen))):
            key = unseen.pop()
            circuit = self._by_key.get(key)
            if circuit is not None:
                loss = loss_of(circuit._core, now, is_used=circuit._used > 0)
                if loss is not None:
                    found.append((loss, circuit._used, key))
        if not unseen:
            found.sort(key=itemgetter(0, 1))
            self._listed, self._next_list = deque(found), []

    def _forget_listed(self, now: float) -> bool:
        passed_over = 0
        for _ in range(_TRIED):
            candidate = self._next()
            if candidate is None:
                return False
            loss, used, key = candidate
            circuit = self._by_key.get(key)
            if circuit is None or key in self._kept:
                continue
            if circuit._used != used and passed_over < _PASSED_OVER:
                passed_over += 1
                continue
            loss_now = loss_of(circuit._core, now, is_used=circuit._used > 0)
            del circuit
            if loss_now is not None and loss_now <= loss and self._forget(key):
                return True
        return False

    def _next(self) -> tuple[Loss, int, str] | None:
        """Return the next candidate, taken off the lists, or None."""
        if self._made and (not self._listed or self._listed[0][0] > Loss.NOTHING):
            # Most of those made since have nothing to lose yet.
            return Loss.NOTHING, *self._made.popleft()
        return self._listed.popleft() if self._listed else None

    def _forget(self, key: str) -> bool:
        """Forget a circuit, unless somebody holds it: they must go on meeting the one and only."""
        circuit = self._by_key[key]
        reference, override = weakref.ref(circuit), circuit._core.override
        is_in_force = override.current is not None and not override.has_expired(self._clock())
        if is_in_force and not self._held.keep(key, override):
            return False
        del circuit, self._by_key[key]
        held = reference()
        if held is None:
            return True
        self._held.release(key)
        self._by_key[key] = held
        if held._used:
            held._used = next_use()
        return False
