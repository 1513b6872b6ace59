"""Settling: what came of a call, and what its circuit makes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.error_text import describe_error
from fastapi_hybrid_breaker.core.probe import SHADOWED, Probe
from fastapi_hybrid_breaker.core.standoff import ROUTE
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED, SUCCESS

from .callables import UNKNOWN
from .context import recorded_request
from .counted import mark_counted
from .permits import CallPermit, NestedPermit, is_shadowed

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.probe import Ticket
    from fastapi_hybrid_breaker.core.states import Outcome

    from .circuit import Circuit
    from .host import CallObserver
    from .permits import EnteredPermit, Permit


def settle(  # noqa: C901, PLR0912 - one step after the other
    circuit: Circuit,
    permit: Permit,
    outcome: Outcome,
    seconds: float | None = None,
    error: object = None,
    asked: float | None = None,
    is_gate: bool = False,  # noqa: FBT001, FBT002 - by its name only
) -> None:
    """Record the outcome of the call that ``permit`` admitted, once for each call.

    A second one for the same permit changes nothing; plain numbers cannot show it.

    Args:
        permit: what ``admit`` returned.
        outcome: what the call says of its upstream.
        seconds: how long the call took, where that is not the time since it was admitted.
        error: an exception or a text, to explain an opening; not kept.
        asked: the recovery timeout that the upstream asks for, in seconds, or None.
        is_gate: the permit was only a gate for a call inside, which had an outcome and a
            duration of its own: nobody observes this one.
    """
    core, locked = circuit._core, circuit._locked
    if circuit._guarded_by_route and outcome is not NOT_COUNTED:
        if (request := recorded_request()) is not None:
            request.note_outcome(core.machine)
        if outcome is SUCCESS and isinstance(permit, int) and not core.counts_successes:
            return
    now = circuit._clock()
    if not is_gate:
        if core.timed and seconds is None and not isinstance(permit, int):
            seconds = now - permit.started
        if circuit._observer is not None:
            _observe(circuit, circuit._observer, permit, outcome, seconds)
    if outcome is NOT_COUNTED:
        if isinstance(permit, int | NestedPermit):
            return
    elif outcome is FAILURE and callable(core.config.describe_error):  # not under the lock
        error = describe_error(error, core.config.describe_error)
    with locked.lock:
        ticket = permit if isinstance(permit, int) else _ticket_of(permit)
        if locked.is_busy:  # a finalizer amid a change, at whose end it is done
            if ticket is not None:
                error = describe_error(error, core.config.describe_error)
                locked.defer(ticket, outcome, seconds=seconds, error=error, asked=asked)
            return
        if ticket is not None:
            locked.is_busy = True
            try:
                core.settle(ticket, outcome, now, seconds, error, asked)
            except BaseException:  # from a signal's handler: what calls read must fit the state
                core.publish()
                raise
            finally:
                locked.is_busy = False
    outbox = core.outbox
    if outbox.has_changed or outbox.needs_sync or locked.deferred:
        locked.deliver(circuit)


def _ticket_of(permit: EnteredPermit | NestedPermit) -> Ticket | None:
    """Return what the core knows a call by, None: it is settled. Needs the circuit's lock."""
    held = permit.probe if type(permit) is NestedPermit else permit
    if held.settled:
        return None
    if type(held) is CallPermit:
        held.settled = True
        return SHADOWED if held.is_shadowed else held.admitted
    return held


def _observe(
    circuit: Circuit,
    observer: CallObserver,
    permit: Permit,
    outcome: Outcome,
    seconds: float | None,
) -> None:
    observer.settled(circuit, outcome, seconds)
    if outcome is FAILURE and is_shadowed(permit):
        observer.shadow_failed(circuit)


def settle_result(circuit: Circuit, permit: Permit, result: object) -> None:
    """Record a returned value as the outcome of the call that ``permit`` admitted."""
    core = circuit._core
    if not core.counts_successes and isinstance(permit, int):  # only the guard of a route asks
        if (request := recorded_request()) is not None:
            request.note_outcome(core.machine)
        return
    if core.config.failure_result is None:
        settle(circuit, permit, SUCCESS)
        return
    outcome = circuit._judge.judge_result(result)
    error = "the returned value" if outcome is FAILURE else None
    settle(circuit, permit, outcome, error=error)


def settle_error(
    circuit: Circuit,
    permit: Permit,
    error: BaseException,
    fn: object = UNKNOWN,
    seconds: float | None = None,
) -> None:
    """Record an exception as the outcome of the call that ``permit`` admitted.

    ``fn`` is what was called, where this circuit called it: a TypeError that is due to how it
    was given is not counted, and says what to write instead.
    """
    judge = circuit._judge
    outcome = judge.judge_error(error, permit, fn)
    # Whatever was raised for it: a probe inside which its own circuit rejected a call, for want of
    # the very place that the probe holds, has not found out anything.
    if isinstance(permit, Probe) and (rejection := judge.find_own_rejection(error)):
        outcome = NOT_COUNTED
        rejected_inside(circuit, permit, rejection._kind)
    settle(circuit, permit, outcome, seconds, error)
    if outcome is FAILURE:
        mark_counted(error, judge.serial, circuit._core.machine.sequence)


def rejected_inside(circuit: Circuit, permit: Permit, kind: object = ROUTE) -> None:
    """Record that the call of ``permit`` ends because this circuit rejected one inside it."""
    if isinstance(permit, Probe):
        with circuit._hold() as core:
            core.machine.probes.rejected_inside(permit, kind)
