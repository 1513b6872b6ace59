"""The processes of a fleet, as each of them reports itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import CircuitState


@dataclass(frozen=True, slots=True)
class UnhealthyCircuit:
    """A circuit that is not CLOSED on an instance, or rejects calls there.

    Args:
        state: in force there when it was reported.
        rejecting: calls rejected per second, between the last two heartbeats.
        ready_to_probe: its recovery timeout has elapsed there, and nobody calls it.
        shadowed: calls that it would have rejected but for shadow mode; None: it is not in that.
        shadowed_failures: those of them that failed.
    """

    state: CircuitState
    rejecting: float
    ready_to_probe: bool = False
    shadowed: int | None = None
    shadowed_failures: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """A process of the fleet, as it reports itself.

    Args:
        id: its name, made at start.
        host: the name of its machine.
        started, last_seen: epoch seconds, by its own clock and by the server's.
        sync: ``connected``, or ``isolated`` if nothing was heard of it for 15 seconds.
        library: the version of this library that it runs.
        circuits: its circuits that are not CLOSED or reject calls, by key, as last reported; None:
            it runs a version that does not report them.
        more: how many more such circuits it has.
    """

    id: str
    host: str
    started: float
    last_seen: float
    sync: str
    library: str
    circuits: dict[str, UnhealthyCircuit] | None = None
    more: int = 0
