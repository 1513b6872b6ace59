"""Nothing rejects for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker import CircuitState

from .invariant import Invariant

if TYPE_CHECKING:
    from collections.abc import Iterator


class NothingRejectsForEver(Invariant):
    """After the faults, and some healthy traffic, every circuit is CLOSED again everywhere.

    Not one that an operator keeps open. No lost message, lease or permit may leave a circuit
    open or probing.
    """

    def recovered(self) -> Iterator[str]:
        """Look for circuits that are not closed."""
        for instance in self.fleet.instances:
            for circuit in instance.breaker._registry:
                stats = instance.breaker.stats(circuit.key)
                state = circuit._core.machine.state
                if state is not CircuitState.CLOSED and stats.override is None:
                    yield f"instance {instance.number} still has {circuit.key} {state} after it all"
