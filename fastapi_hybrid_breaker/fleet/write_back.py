"""Which states are written back where the server does not know them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.states import CircuitState

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .work_queue import WorkQueue

WRITE_BACK_CLOSED: Final = 3600.0
"""Seconds after its change for which a CLOSED state is worth writing back: a hash's life."""


def write_back(circuit: Circuit, work: WorkQueue, *, must: bool = False) -> None:
    """Write a circuit's state back where the server does not know it any more.

    ``must``: also a state that has long been the normal one.
    """
    now = circuit._clock()
    with circuit._hold() as core:
        ours = core.membership.describe(now)
        changed_at, is_alone = core.machine.changed_at, core.membership.local_only
    is_stale = ours.state is CircuitState.CLOSED and now - changed_at > WRITE_BACK_CLOSED
    is_for_all = circuit.config.scope == "fleet" and (must or not is_alone)
    if ours.version and is_for_all and (must or not is_stale):
        work.want(circuit.key, "restore", must=True)
