"""The right to probe on behalf of the whole fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OVERDUE_AFTER: Final = 5.0
"""Seconds after the last sign of anybody's right to probe at which a call is a probe at once.

A service with one call a minute would never hold a lease at the moment of its call.
"""


SHOW_EVERY: Final = 0.1
"""Seconds in which the fleet's part looks once at most because a probe begins: it says no more of
it than that, and what runs longer it finds whenever the lease is to be prolonged."""


PROVISIONAL: Final = 1.0
"""Seconds for which such a call is the only one here: by then the request is answered, or Redis is
lost and each instance probes for itself."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease of probes.

    Args:
        places: probes that may run at once under it, at least 1.
        deadline: when it ends, monotonic seconds.
    """

    places: int
    deadline: float


@dataclass(frozen=True, slots=True)
class LeaseWish:
    """What an instance says when it asks for the lease, or for more time.

    Args:
        opening: the machine's, see ``Prober``.
        version, writer: of the fleet's state that it knows.
        places: probes that its configuration lets run at once in the fleet.
        running: probes of its own that run.
        busy_for: seconds until the last of these gives its place back.
        successes: probes that have succeeded in this recovery, as far as known.
    """

    opening: int
    version: int
    writer: str
    places: int
    running: int
    busy_for: float
    successes: int
