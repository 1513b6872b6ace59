"""What one circuit has to report once its lock is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .evidence import NO_EVIDENCE
from .states import CLOSED, StateChange

if TYPE_CHECKING:
    from .evidence import Evidence
    from .override import OverrideSlot
    from .states import Cause, CircuitState


class Outbox:
    """Filled under the circuit's lock, in order; emptied and delivered by whoever holds it.

    Listeners receive effective states, each change beginning where the last one ended: what
    happens below a manual override changes nothing for callers, and is reported when that ends.

    ``changes`` are for the history and listeners; ``has_changed`` and ``needs_sync`` say that the
    fleet's part is to look at the state, or at what calls have left.
    """

    __slots__ = ("_override", "changes", "effective", "has_changed", "key", "needs_sync")

    def __init__(self, key: str, override: OverrideSlot) -> None:
        self.key: str = key
        self._override = override
        self.changes: list[StateChange] = []
        self.effective: CircuitState = CLOSED
        self.has_changed: bool = False
        self.needs_sync: bool = False

    def add(
        self,
        old: CircuitState,
        new: CircuitState,
        cause: Cause,
        generation: int,
        evidence: Evidence,
        now: float,
        instance: str = "",
    ) -> None:
        """Record a change of the circuit's own state."""
        self.has_changed = True
        override = self._override
        if override.current is not None and override.fixed_state(now) is not None:
            return
        effective = self.effective
        if old is not effective and old is not new:
            # The circuit was in that state meanwhile, for too short a time to be reported.
            meanwhile = StateChange(
                self.key, effective, old, cause, generation, NO_EVIDENCE, instance
            )
            self.changes.append(meanwhile)
            effective = old
        elif new is effective:
            return
        self.changes.append(
            StateChange(self.key, effective, new, cause, generation, evidence, instance)
        )
        self.effective = new

    def add_override(
        self,
        effective: CircuitState,
        cause: Cause,
        generation: int,
        evidence: Evidence,
        instance: str = "",
    ) -> None:
        """Record that an override was set or has ended, also where callers notice nothing."""
        self.has_changed = True
        self.changes.append(
            StateChange(self.key, self.effective, effective, cause, generation, evidence, instance)
        )
        self.effective = effective
