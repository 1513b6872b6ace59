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

    ``deadline`` and ``started`` are monotonic seconds; ``admitted`` is the sequence at admission.
    ``witness`` is asked how a call goes that has not ended by the deadline.
    """

    __slots__ = ("admitted", "deadline", "machine", "settled", "started", "witness")

    def __init__(self, machine: Cycle, now: float) -> None:
        self.machine = machine
        self.admitted = machine.sequence
        self.started = now
        self.deadline = now + machine.config.probe_timeout
        self.settled = False
        self.witness: Witness | None = None

    def is_running(self) -> bool:
        """Tell whether its verdict would count: not settled, and of the present generation."""
        return not self.settled and self.admitted >= self.machine.first

    def has_place(self, now: float) -> bool:
        """Tell whether it is running and holds its place still."""
        return now < self.deadline and self.is_running()


Ticket = int | Probe
"""The right to run one call: a number while CLOSED (no allocation), a probe while HALF_OPEN.

The number is the machine's ``sequence`` at admission. It rises with each counted failure and
each change of state, so one read of one slot tells all that settling needs: whether the state
that admitted the call still stands, and whether an error was counted since.
"""

UNCOUNTED: Final = -1
"""A ticket older than every state: whatever comes of the call, it changes nothing."""
