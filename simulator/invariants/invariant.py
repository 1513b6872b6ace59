"""What an invariant is, and when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi_hybrid_breaker import Circuit
    from simulator.fleet import Fleet
    from simulator.instance import Instance
    from simulator.upstream import Probing

STEP = 0.5
"""Seconds between two looks."""


def is_shared(circuit: Circuit) -> bool:
    """Return whether a circuit is the fleet's, and not each instance's own."""
    return getattr(circuit.config, "scope", "fleet") == "fleet"


class Invariant:
    """Something that must hold of a fleet.

    Each way to look gives a text per violation, or adds it to ``found``. Subclasses have those
    that they need; ``admitted``, ``probed`` and ``rejected`` cost time with every call.

    Args:
        fleet: what to look at.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.found: list[str] = []
        kind = type(self)
        if kind.admitted is not Invariant.admitted:
            fleet.on_admitted.append(self.admitted)
        if kind.probed is not Invariant.probed:
            fleet.on_probed.append(self.probed)
        if kind.rejected is not Invariant.rejected:
            fleet.on_rejected.append(self.rejected)
        if kind.changed is not Invariant.changed:
            fleet.on_change.append(self.changed)

    def look(self) -> Iterable[str]:
        """Look at the fleet, every ``STEP`` seconds."""
        return ()

    def recovered(self) -> Iterable[str]:
        """Look once: the faults have been over for long, there is healthy traffic."""
        return ()

    def at_rest(self) -> Iterable[str]:
        """Look once: there is no traffic any more, and all repairs had their time."""
        return ()

    def changed(self, instance: Instance, change: Any) -> None:
        """Record a change of a circuit's state at an instance."""

    def admitted(self, instance: Instance, circuit: Circuit) -> None:
        """Record a call that has been admitted and reaches its upstream."""

    def probed(self, instance: Instance, circuit: Circuit, probe: Probing) -> None:
        """Record such a call that is a probe, before its upstream counts it."""

    def rejected(self, instance: Instance, circuit: Circuit) -> None:
        """Record a call that has been rejected."""
