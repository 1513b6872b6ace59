"""Circuits of a fleet on the verge of probing, for the tests of leases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .machines import (
    OPEN_TIME,
    probe,
)
from .members import lease, opened

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.probe import Probe

    from .machines import Machine


def leased(now: float = OPEN_TIME, *, places: int = 2, **settings: Any) -> Machine:
    """Return a member that is still OPEN and has had its lease granted at ``now``."""
    machine = opened(**settings)
    machine.grant(machine.opening, lease(now, places=places), 0)
    return machine


def probing(now: float = OPEN_TIME, *, places: int = 2, **settings: Any) -> tuple[Machine, Probe]:
    machine = leased(now, places=places, **settings)
    return machine, probe(machine, now)
