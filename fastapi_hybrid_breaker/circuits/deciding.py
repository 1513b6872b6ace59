"""Which permit a call gets under the lock, by what it runs inside of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.probe import UNCOUNTED
from fastapi_hybrid_breaker.core.states import HALF_OPEN

from .context import enclosing_probe, enclosing_shadow, is_inside_admitted
from .kinds import kind_of
from .permits import CallPermit, NestedPermit

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore

    from .permits import Permit


def decide(core: CircuitCore, now: float, fn: object, kind: object) -> Permit | None:
    """Return the permit of a call of ``fn``, or None: rejected. Needs the circuit's lock."""
    if core.override.current is not None:
        core.lift(now)
    machine = core.machine
    is_own = core.override.current is None or core.override.fixed_state(now) is None
    if is_own and machine.state is HALF_OPEN:
        if (probe := enclosing_probe(machine, now)) is not None:
            return NestedPermit(probe, now)
    elif is_own and machine.recovery.ramp is not None and is_inside_admitted(machine):
        return CallPermit(machine, machine.sequence, now)  # it was drawn for already
    if kind is None and machine.probes.standoff is not None:
        kind = kind_of(fn)
    permit = core.admit(now, kind)
    if permit is None and is_own and core.membership.sharing.shadow:
        if (shadowed := enclosing_shadow(machine)) is not None:
            return NestedPermit(shadowed, now)
        return CallPermit(machine, machine.sequence, now, is_shadowed=True)
    if not isinstance(permit, int) or permit == UNCOUNTED:
        return permit
    is_tracked = core.timed or machine.recovery.ramp is not None
    return CallPermit(machine, permit, now) if is_tracked else permit
