"""Shadow mode: a circuit that is only tried out rejects nothing, and shows what it would have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .probe import SHADOWED, UNCOUNTED, Probe
from .states import CLOSED, FAILURE, HALF_OPEN
from .statistics import Statistics

if TYPE_CHECKING:
    from .config import CircuitConfig
    from .membership import Membership
    from .override import OverrideSlot
    from .probe import Ticket
    from .states import Outcome


class ShadowMode:
    """The mode of one circuit, and the figures that are shown in shadow mode.

    ``statistics`` are of all calls, None while it is not in shadow mode; ``failures``
    are the calls that failed of those that only shadow mode let through.
    """

    __slots__ = ("_membership", "_override", "_since", "failures", "statistics")

    def __init__(self, membership: Membership, override: OverrideSlot) -> None:
        self._membership = membership
        self._override = override
        self._since = 0  # the generation in which it was last put into shadow mode
        self.failures: int = 0
        self.statistics: Statistics | None = None

    def show(self, ticket: Ticket, outcome: Outcome, now: float, seconds: float | None) -> None:
        """Count a call for the figures of shadow mode, whatever the state."""
        if not self._membership.sharing.shadow and ticket != SHADOWED:
            return
        if ticket == UNCOUNTED or (isinstance(ticket, Probe) and ticket.settled):
            return
        if ticket == SHADOWED and outcome is FAILURE:
            self.failures += 1
            # An error that leaves an enclosing call too is the same one.
            self._membership.machine.sequence += 1
        if self.statistics is not None:
            self.statistics.add(now, outcome, seconds)

    def choose(self, config: CircuitConfig) -> None:
        """Decide in the mode that an override sets, else the configured one, from now on."""
        is_shadow = self._override.mode(config) == "shadow"
        self._membership.sharing.shadow = is_shadow
        self.statistics = Statistics(config.rules) if is_shadow else None
        recovery = self._membership.machine.recovery
        recovery.let_back(recovery.ramp_from)

    def follow_override(self, config: CircuitConfig) -> None:
        """Begin or end to be in shadow mode.

        What is decided in it is nobody else's business; where it ends, the fleet hears of the
        state that the circuit is in by then.
        """
        membership = self._membership
        machine, was_shadow = membership.machine, membership.sharing.shadow
        if (self._override.mode(config) == "shadow") is was_shadow:
            return
        untold_since = max(membership.followed, self._since)
        self.choose(config)
        if not was_shadow:
            membership.stand_with_the_fleet()
            self._since = machine.generation
        elif machine.generation > untold_since:
            membership.offer(HALF_OPEN if machine.state is CLOSED else CLOSED)
