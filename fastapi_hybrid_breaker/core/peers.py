"""What circuits decide by beside their own calls: how this process stands to its fleet."""

from __future__ import annotations

from math import ceil
from typing import Final

_ENOUGH: Final = 5
"""Calls below which a rate opens nothing, however small this process's part of the traffic is."""


class Peers:
    """One for all circuits of a breaker; whoever talks with the fleet keeps it up to date.

    ``has_fleet`` says that there is one to share with, ``is_connected`` that it can be asked now:
    probes need its lease then. ``live`` is the number of instances that lived when it was last
    heard, this one among them. ``round_trip`` is how long an exchange with the server takes,
    seconds: the longest of the last few, and so about as long as others need to hear of a probe.
    ``instance`` is this process's name in its fleet, "" where there is none. ``awaits_start`` says
    that there is a fleet to join and nobody has started to: the first guarded call is to report
    that.
    """

    __slots__ = ("awaits_start", "has_fleet", "instance", "is_connected", "live", "round_trip")

    def __init__(self) -> None:
        self.awaits_start: bool = False
        self.has_fleet: bool = False
        self.instance: str = ""
        self.is_connected: bool = False
        self.live: int = 1
        self.round_trip: float = 0.0

    def leave(self) -> None:
        """Be on one's own, as before there was a fleet."""
        self.has_fleet = self.is_connected = False
        self.instance = ""
        self.live = 1

    def minimum(self, calls: int) -> int:
        """Return the number of calls that a rule which asks for ``calls`` needs here.

        A rule's minimum is about the whole fleet's traffic. Who is cut off sees only its part of
        it, and would need as many times longer to see that much. Runs of failures are not scaled:
        how unlikely a run is by chance does not depend on the traffic.
        """
        if self.is_connected or self.live <= 1:
            return calls
        return min(calls, max(_ENOUGH, ceil(calls / self.live)))
