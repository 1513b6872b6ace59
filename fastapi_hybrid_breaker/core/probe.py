"""Permits: the right to run one guarded call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from .cycle import Cycle


class Witness(Protocol):
    """Who sees how a long call goes, such as a stream."""

    def seems_well(self) -> bool:
        """Tell whether the call, ended now by its caller, would be a success."""


class Probe:
    """A permit of a HALF_OPEN circuit: a lease of one of its places.

    ``started`` is monotonic seconds; ``admitted`` is the sequence at admission. ``outer`` is the
    probe, of any circuit, inside of which its call runs. ``witness`` is asked how a call goes that
    has not ended by the deadline.
    """

    __slots__ = ("admitted", "machine", "outer", "settled", "started", "witness")

    # No constructor: calling one is half of what it costs to make a probe. See ``make_probe``.
    machine: Cycle
    admitted: int
    started: float
    settled: bool
    outer: Probe | None
    witness: Witness | None

    @property
    def deadline(self) -> float:
        """When its place is given to another, monotonic seconds; as it is configured now."""
        return self.started + self.machine.config.probe_timeout

    def is_running(self) -> bool:
        """Tell whether its verdict would count: not settled, and of the present generation."""
        return not self.settled and self.admitted >= self.machine.first

    def has_place(self, now: float) -> bool:
        """Tell whether it is running and holds its place still."""
        has_one = self in (self.machine.probes or ())
        return has_one and now < self.deadline and self.is_running()


def make_probe(machine: Cycle, now: float) -> Probe:
    """Make a probe that is admitted now, monotonic seconds."""
    probe = Probe()
    probe.machine, probe.admitted = machine, machine.sequence
    probe.started, probe.settled = now, False
    probe.outer = probe.witness = None
    return probe


Ticket = int | Probe
"""The right to run one call: a number while CLOSED (no allocation), a probe while HALF_OPEN.

The number is the machine's ``sequence`` at admission. It rises with each counted failure and
each change of state, so one read of one slot tells all that settling needs: whether the state
that admitted the call still stands, and whether an error was counted since.
"""

UNCOUNTED: Final = -1
"""A ticket older than every state: whatever comes of the call, it changes nothing."""
