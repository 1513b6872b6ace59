"""Short words for what the tests of circuits in a fleet do over and over."""

from __future__ import annotations

from typing import Any

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.lease import Lease
from fastapi_hybrid_breaker.core.peers import Peers

from .machines import OPEN_TIME, Machine, trip


def fleet(live: int = 3, *, is_connected: bool = True) -> Peers:
    around = Peers()
    around.has_fleet, around.is_connected, around.live = True, is_connected, live
    return around


def member(around: Peers | None = None, **settings: Any) -> Machine:
    """Return a circuit of one of three connected instances, or of what ``around`` says."""
    config = CircuitConfig(**{"recovery_timeout": OPEN_TIME, **settings})
    return Machine("k", config, peers=around or fleet())


def opened(around: Peers | None = None, **settings: Any) -> Machine:
    """Return a member that opened at 0.0, to probe from OPEN_TIME on."""
    machine = member(around, **settings)
    trip(machine, 0.0)
    return machine


def lease(now: float, *, places: int = 2, seconds: float = 1.8) -> Lease:
    return Lease(places, now + seconds)


def is_on_the_fast_path(machine: Machine) -> bool:
    """Return whether a success costs a look at three slots, and no lock."""
    return machine.free_permit is not None and not machine.counts_successes and not machine.noting
