"""This process as an instance of the fleet: what all topics of the exchange work with."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from .faults import Faults
from .propagation_lag import PropagationLag
from .schedule import Schedule
from .server_view import ServerView
from .work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.circuits.registry import Registry

    from .names import Names

_MORE_KEYS: Final = 1_000
"""Keys about which something may be to do beyond the circuits that fit into memory."""


class OwnInstance:
    """From a start to its stop: its name, its circuits, and what it has to do and to send.

    Args:
        name: this process's in the fleet.
        names: the names in Redis.
        registry: the circuits.
        clock: monotonic seconds.
        report_every: seconds between two reports of one circuit's failures, at least.
        lag: how late changes of others are; goes on from session to session.
    """

    def __init__(
        self,
        name: str,
        names: Names,
        registry: Registry,
        *,
        clock: Callable[[], float],
        report_every: float = 0.1,
        lag: PropagationLag | None = None,
    ) -> None:
        self.name: str = name
        self.names: Names = names
        self.registry: Registry = registry
        self.clock: Callable[[], float] = clock
        self.random: Random = Random(name)  # noqa: S311 - jitter
        self.report_every: float = report_every
        self.lag: PropagationLag = PropagationLag() if lag is None else lag
        self.schedule: Schedule = Schedule()
        self.work: WorkQueue = WorkQueue(registry.most + _MORE_KEYS, self.schedule)
        self.server: ServerView = ServerView(clock, registry.peers)
        self.faults: Faults = Faults(clock)
