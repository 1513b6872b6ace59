"""Being admitted: which permit a call gets, or which rejection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.probes import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.standoff import ROUTE
from fastapi_hybrid_breaker.core.states import CLOSED, HALF_OPEN, NOT_COUNTED, OPEN

from .callables import UNKNOWN, refused
from .context import enter, recorded_request
from .deciding import decide
from .kinds import kind_of
from .permits import CallPermit
from .settling import settle

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import CircuitState

    from .circuit import Circuit
    from .permits import Permit


def admit(circuit: Circuit, *, is_route: bool = False) -> Permit:
    """Return a permit; each must come back to ``settle`` or ``settle_error``.

    Args:
        is_route: for the guard of a route, which is only a gate for what is called inside.

    Raises:
        CircuitOpenError: rejected.
    """
    permit: Permit | None = circuit._core.free_permit
    if permit is not None:
        return permit
    now = circuit._clock()
    if (wait := circuit._core.reject_until - now) > 0.0:
        raise rejection(circuit, wait)
    return begin(circuit, now, UNKNOWN, ROUTE if is_route else None, enters=False)


def rejection(
    circuit: Circuit, retry_after: float, fn: object = UNKNOWN, state: CircuitState = OPEN
) -> Exception:
    """Count a rejection and return the error to raise; ``retry_after`` is in seconds."""
    if fn is not UNKNOWN and not callable(fn):
        return refused(fn)
    circuit.rejected += 1
    if (request := recorded_request()) is not None:
        request.note_rejection(circuit.key)
    if circuit._observer is not None:
        circuit._observer.rejected(circuit, retry_after)
    error = CircuitOpenError(circuit.key, retry_after)
    if state is HALF_OPEN:
        error.state = state
        error._kind = kind_of(fn)
    return error


def begin(  # noqa: C901, PLR0912 - one step after the other
    circuit: Circuit,
    now: float,
    fn: object = UNKNOWN,
    kind: object = None,
    *,
    enters: bool = True,
) -> Permit:
    """Admit a call of ``fn``: what is called inside of it, in this context, has to know of it.

    For whoever has found no ``free_permit``, and ``reject_until`` to be over at ``now``.

    Args:
        now: monotonic seconds.
        fn: what is called, where that is known.
        kind: ``ROUTE`` for the guard of a route, which is only a gate for what is called inside.
        enters: False: the caller enters the context by itself.

    Raises:
        CircuitOpenError: rejected.
        TypeError: ``fn`` is what a callable returned.
    """
    core, machine = circuit._core, circuit._core.machine
    sequence = machine.sequence  # before the state: one of an earlier state counts for nothing
    if machine.state is CLOSED and machine.recovery.ramp is None and core.override.current is None:
        if core.membership.sharing.peers.awaits_start or not core.timed:
            _note_start(circuit)
        return CallPermit(machine, sequence, now) if core.timed else sequence
    if fn is not UNKNOWN and not callable(fn):
        raise refused(fn)
    locked, outbox = circuit._locked, core.outbox
    with locked.lock:
        before, locked.is_busy = locked.is_busy, True
        try:
            permit = decide(core, now, fn, kind)
        except BaseException:  # see settle
            core.publish()
            raise
        finally:
            locked.is_busy = before
    has_news = outbox.has_changed or outbox.needs_sync or locked.deferred
    if has_news and not before:  # a change that this is amid of delivers at its end
        try:
            locked.deliver(circuit)
        except BaseException:  # a listener ends the program: the permit reaches nobody
            if permit is not None:
                settle(circuit, permit, NOT_COUNTED)
            raise
    if permit is None:
        wait = core.retry_after(now) or RETRY_WHILE_PROBING
        raise rejection(circuit, wait, fn, core.shown_state(now))
    if type(permit) is Probe:
        if enters:
            enter(permit)
    elif type(permit) is CallPermit:
        if permit.is_shadowed:
            circuit.shadowed += 1
            if circuit._observer is not None:
                circuit._observer.shadowed(circuit)
        if enters and (permit.is_shadowed or machine.recovery.ramp is not None):
            enter(permit)
    return permit


def _note_start(circuit: Circuit) -> None:
    """Report a call before any start; later calls find the free permit held back until then."""
    core = circuit._core
    if core.membership.sharing.peers.awaits_start:
        circuit._host.fleet.called_unstarted()
    elif core.free_permit is None:
        with circuit._hold():
            pass  # which publishes it
