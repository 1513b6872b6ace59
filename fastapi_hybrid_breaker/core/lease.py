"""The right to probe on behalf of the whole fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FEW_CALLS: Final = 0.5
"""Calls of the whole fleet within one round trip, up to which a call is a probe without a lease.

Only such calls can begin beside a probe that others have not heard of yet.
"""

OVERDUE_AFTER: Final = 5.0
"""Seconds after the last sign of anybody's probing at which a call is a probe without a lease,
however many calls there are: whoever had the lease may have crashed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease of probes.

    Args:
        places: probes that may run at once under it, at least 1.
        deadline: when no probe begins under it any more, monotonic seconds.
    """

    places: int
    deadline: float


@dataclass(frozen=True, slots=True)
class LeaseWish:
    """What an instance reports when it asks for the lease, or for more time.

    Args:
        opening: the machine's, see ``ProbeLease``.
        version, writer: of the fleet's state that it knows.
        places: probes that its configuration lets run at once in the fleet.
        running: probes of its own that run.
        busy_for: seconds until the last of these gives its place back.
        successes: probes that have succeeded in this recovery, as far as known.
        own: how many of these were its own.
    """

    opening: int
    version: int
    writer: str
    places: int
    running: int
    busy_for: float
    successes: int
    own: int = 0
