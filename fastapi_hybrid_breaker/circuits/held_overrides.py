"""Overrides of keys that have no circuit in this process: in force with the key's first use."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.override import OverrideNews, OverrideSlot
from fastapi_hybrid_breaker.core.states import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.override import Override
    from fastapi_hybrid_breaker.core.states import CircuitStats

    from .circuit import Circuit

_MOST: Final = 10_000


class HeldOverrides:
    """The fleet's overrides of keys that were never used here, without a circuit for each.

    Each operation is one step on a dictionary, so threads need no lock.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: dict[str, OverrideSlot] = {}

    def __contains__(self, key: object) -> bool:
        slot = self._slots.get(key)  # type: ignore[call-overload]
        return slot is not None and not slot.has_expired(self._clock())

    def __len__(self) -> int:
        return len(self._slots)

    def keep(self, key: str, slot: OverrideSlot) -> bool:
        """Hold what a circuit that is forgotten stood under; return whether there was room."""
        if len(self._slots) >= _MOST:
            now = self._clock()
            for other, held in tuple(self._slots.items()):
                if held.has_expired(now):
                    self._slots.pop(other, None)
        if len(self._slots) >= _MOST and key not in self._slots:
            return False
        self._slots[key] = slot
        return True

    def follow(self, key: str, news: OverrideNews) -> bool:
        """Hold an override that is new, or drop one that has ended; False: there is no room."""
        held = self._slots.get(key)
        slot = OverrideSlot()
        if held is not None:
            slot.version, slot.writer = held.version, held.writer
        if not slot.accept(news):
            return True
        if news.override is None:
            self._slots.pop(key, None)
            return True
        slot.current = news.override.since(self._clock())
        return self.keep(key, slot)

    def overrides(self) -> Iterator[tuple[str, Override]]:
        """Yield the overrides that have not expired, by key."""
        now = self._clock()
        for key, slot in tuple(self._slots.items()):
            if slot.current is not None and not slot.current.is_over(now):
                yield key, slot.current

    def over(self, key: str, stats: CircuitStats, config: CircuitConfig) -> CircuitStats:
        """Return ``stats`` of a key without a circuit as they are under its override, if any."""
        slot, now = self._slots.get(key), self._clock()
        if slot is None or slot.current is None or slot.current.is_over(now):
            return stats
        view = slot.current.view(now)
        stats = replace(stats, mode=slot.mode(config, now), override=view)
        state = slot.fixed_state(now)
        if state is None:
            return stats
        wait, until = 0.0, None
        if state is OPEN:
            wait = config.recovery_timeout if view.remaining is None else view.remaining
            until = None if view.remaining is None else time.time() + wait
        return replace(
            stats, state=state, retry_after=wait, next_attempt=until, ready_to_probe=False
        )

    def release(self, key: str) -> None:
        """Hold nothing for a key any more: its circuit has it."""
        self._slots.pop(key, None)

    def put(self, circuit: Circuit) -> None:
        """Put a circuit that was made just now under the override of its key, if there is one."""
        slot = self._slots.pop(circuit.key, None)
        if slot is None or slot.current is None or slot.has_expired(self._clock()):
            return
        with circuit._change() as (core, now):
            view = slot.current.view(now)
            core.adopt_override(OverrideNews(slot.version, slot.writer, view), now)
