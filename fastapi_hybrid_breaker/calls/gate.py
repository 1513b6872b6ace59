"""The two halves of a guarded call: being admitted, and settling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.counted import counted_as, is_marked, mark_counted
from fastapi_hybrid_breaker.core.cycle import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.evidence import describe_error
from fastapi_hybrid_breaker.core.outcomes import PredicateError, judge_result
from fastapi_hybrid_breaker.core.probe import SHADOWED, UNCOUNTED, Probe
from fastapi_hybrid_breaker.core.standoff import ROUTE
from fastapi_hybrid_breaker.core.states import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NO_VERDICT,
    OPEN,
    SUCCESS,
)
from fastapi_hybrid_breaker.core.translated import rejection_by
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .callables import UNKNOWN, explain_misuse, refused
from .context import (
    callers,
    enclosing_probe,
    enclosing_shadow,
    enter,
    is_inside_admitted,
    recorded_request,
    running_in,
)
from .fleet_side import FleetSide
from .kinds import kind_of
from .permits import CallPermit, NestedPermit, admitted_at, is_shadowed

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

    from .hub import CallObserver
    from .permits import Permit


class Gate(FleetSide):
    """Admits calls and takes their outcomes, for the shapes of a circuit and for adapters."""

    __slots__ = ()

    # -- being admitted -------------------------------------------------------------------------

    def enter(self, now: float, fn: object = UNKNOWN) -> Permit:
        """Admit a call of ``fn`` in this context: what is called inside has to know of it.

        For whoever has found no ``free_permit``, and ``reject_until`` to be over at ``now``.

        Raises:
            CircuitOpenError: rejected.
            TypeError: ``fn`` is what a callable returned.
        """
        machine = self.machine
        sequence = machine.sequence  # before the state: see below
        if machine.state is CLOSED and machine.ramp is None and machine.override is None:
            self._note_unstarted()
            return CallPermit(machine, sequence, now) if machine.timed else sequence
        if fn is not UNKNOWN and not callable(fn):
            raise refused(fn)
        permit = self._ask(now, fn, None)
        if isinstance(permit, Probe) or (
            isinstance(permit, CallPermit) and (permit.is_shadowed or machine.ramp is not None)
        ):
            enter(permit)
        return permit

    def admit(self, *, is_route: bool = False) -> Permit:
        """Return a permit; each must come back to ``settle`` or ``settle_error``.

        Args:
            is_route: for the guard of a route, which is only a gate for what is called inside.

        Raises:
            CircuitOpenError: rejected.
        """
        machine = self.machine
        permit = machine.free_permit
        if permit is not None:
            return permit
        now = self.clock()
        if (wait := machine.reject_until - now) > 0.0:
            raise self.rejection(wait)
        # Read before the state: a number of an earlier state counts for nothing.
        sequence = machine.sequence
        if machine.state is CLOSED and machine.ramp is None and machine.override is None:
            self._note_unstarted()
            return CallPermit(machine, sequence, now) if machine.timed else sequence
        return self._ask(now, UNKNOWN, ROUTE if is_route else None)

    def _note_unstarted(self) -> None:
        """Report a call before any start; later calls find the free permit held back until then."""
        machine = self.machine
        if machine.surroundings.awaits_start:
            self._hub.called_unstarted()
        elif machine.free_permit is None and not machine.timed:
            with self._locked():
                machine.refresh()

    def rejection(
        self, retry_after: float, fn: object = UNKNOWN, state: CircuitState = OPEN
    ) -> Exception:
        """Count a rejection and return the error to raise; ``retry_after`` is in seconds."""
        if fn is not UNKNOWN and not callable(fn):
            return refused(fn)
        self.rejected += 1
        if (request := recorded_request()) is not None:
            request.note_rejection(self.key)
        if self.observer is not None:
            self.observer.rejected(self, retry_after)  # type: ignore[arg-type] # every gate is a circuit
        error = CircuitOpenError(self.key, retry_after)
        if state is HALF_OPEN:
            error.state = state
            error._kind = kind_of(fn)  # noqa: SLF001 - ours, and of no use to others
        return error

    def _ask(self, now: float, fn: object, kind: object) -> Permit:
        machine = self.machine
        with self._lock:
            before, self._busy = self._busy, True
            try:
                permit = self._decide(now, fn, kind)
                if permit is None:
                    wait, state = machine.retry_after(now), machine.shown_state(now)
            finally:
                self._busy = before
        if self._has_changed or self._deferred or machine.stirred:
            self._finish_admission(permit)
        if permit is None:
            raise self.rejection(wait or RETRY_WHILE_PROBING, fn, state)
        if self.observer is not None and isinstance(permit, CallPermit) and permit.is_shadowed:
            self.observer.shadowed(self)  # type: ignore[arg-type] # as above
        return permit

    def _decide(self, now: float, fn: object, kind: object) -> Permit | None:
        """Return a permit or None: rejected. Needs the lock."""
        machine = self.machine
        if machine.override is not None:
            self._post(machine.lift(now), now)
        is_own = machine.override is None or machine.fixed_state(now) is None
        if is_own and machine.state is HALF_OPEN:
            if (probe := enclosing_probe(machine, now)) is not None:
                return NestedPermit(probe, now)
        elif is_own and machine.ramp is not None and is_inside_admitted(machine):
            return CallPermit(machine, machine.sequence, now)  # it was drawn for already
        if kind is None and machine.standoff is not None:
            kind = kind_of(fn)
        permit, change = machine.admit(now, kind)
        if change is not None:
            self._post(change, now)
        if permit is None and is_own and machine.shadow:
            if (shadowed := enclosing_shadow(machine)) is not None:
                return NestedPermit(shadowed, now)
            self.shadowed += 1
            return CallPermit(machine, machine.sequence, now, is_shadowed=True)
        if not isinstance(permit, int) or permit == UNCOUNTED:
            return permit
        is_tracked = machine.timed or machine.ramp is not None
        return CallPermit(machine, permit, now) if is_tracked else permit

    def _finish_admission(self, permit: Permit | None) -> None:
        if self._busy:
            return  # a finalizer amid a change, whose end does it
        try:
            self._leave()
        except BaseException:  # a listener ends the program: the permit reaches nobody
            if permit is not None:
                self.settle(permit, NO_VERDICT)
            raise

    # -- settling -------------------------------------------------------------------------------

    def settle(  # noqa: C901, PLR0912 - one step after the other
        self,
        permit: Permit,
        outcome: Outcome,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
        is_gate: bool = False,  # noqa: FBT001, FBT002 - by its name only; see below
    ) -> None:
        """Record the outcome of the call that ``permit`` admitted, once for each call.

        A second one for the same permit changes nothing; plain numbers cannot tell.

        Args:
            permit: what ``admit`` returned.
            outcome: what the call says of its upstream.
            seconds: how long the call took, where that is not the time since it was admitted.
            error: an exception or a text, to explain an opening; not kept.
            asked: the open time that the upstream asks for, in seconds, or None.
            is_gate: the permit was only a gate for a call inside, which had an outcome and a
                duration of its own: nobody observes this one.
        """
        machine = self.machine
        if machine.watched and outcome is not NO_VERDICT:
            if (request := recorded_request()) is not None:
                request.note_outcome(machine)
            if outcome is SUCCESS and isinstance(permit, int) and not machine.moved_by_success:
                return
        now = self.clock()
        held = None
        if isinstance(permit, int):
            ticket: int | Probe = permit
        else:
            held = permit.probe if type(permit) is NestedPermit else permit
            if machine.timed and seconds is None and not is_gate:
                seconds = now - permit.started
        if self.observer is not None and not is_gate:
            self._observe(self.observer, permit, outcome, seconds)
        if outcome is NO_VERDICT and (held is None or type(permit) is NestedPermit):
            return
        if outcome is FAILURE and callable(machine.config.describe_error):  # not under the lock
            error = describe_error(error, machine.config.describe_error)
        with self._lock:
            if held is not None:
                if held.settled:
                    return
                if type(held) is CallPermit:
                    held.settled = True
                    ticket = SHADOWED if held.is_shadowed else held.admitted
                else:
                    ticket = held
            if self._busy:
                told = describe_error(error, machine.config.describe_error)
                about = {"seconds": seconds, "error": told, "asked": asked}
                self._deferred.append((ticket, outcome, about))
                return
            self._busy = True
            try:
                if machine.override is not None:
                    self._post(machine.lift(now), now)
                change = machine.settle(ticket, outcome, now, seconds, error, asked)
                if change is not None:
                    self._post(change, now)
            finally:
                self._busy = False
        if self._has_changed or self._deferred or machine.stirred:
            self._leave()

    def _observe(
        self, observer: CallObserver, permit: Permit, outcome: Outcome, seconds: float | None
    ) -> None:
        observer.settled(self, outcome, seconds)  # type: ignore[arg-type] # as above
        if outcome is FAILURE and is_shadowed(permit):
            observer.shadow_failed(self)  # type: ignore[arg-type] # as above

    def settle_result(self, permit: Permit, result: object) -> None:
        """Record a returned value as the outcome of the call that ``permit`` admitted."""
        if self.machine.config.failure_result is None:
            self.settle(permit, SUCCESS)
            return
        try:
            outcome = judge_result(self.machine.config, result)
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = NO_VERDICT
        error = "the returned value" if outcome is FAILURE else None
        self.settle(permit, outcome, error=error)

    def settle_error(
        self,
        permit: Permit,
        error: BaseException,
        fn: object = UNKNOWN,
        seconds: float | None = None,
    ) -> None:
        """Record an exception as the outcome of the call that ``permit`` admitted.

        ``fn`` is what was called, where this circuit called it: a TypeError that is due to how it
        was given is not counted, and says what to write instead.
        """
        machine = self.machine
        is_plain = machine.classifier.is_plain_failure(error)
        outcome = FAILURE if is_plain else self._judge(permit, error, fn)
        self.settle(permit, outcome, seconds, error)
        if outcome is FAILURE:
            mark_counted(error, machine.serial, machine.sequence, callers())

    def _judge(self, permit: Permit, error: BaseException, fn: object) -> Outcome:
        if isinstance(error, TypeError) and explain_misuse(error, fn):
            return NO_VERDICT
        try:
            judge = self.machine.classifier.judge
            outcome = judge(error, lambda one: self._is_counted(one, permit))
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = NO_VERDICT
        # Whatever was raised for it: a probe inside which its own circuit rejected a call, for want
        # of the very place that the probe holds, has not found out anything.
        if isinstance(permit, Probe) and (rejection := rejection_by(self.key, error)):
            outcome = NO_VERDICT
            self.rejected_inside(permit, rejection._kind)  # noqa: SLF001 - as above
        return outcome

    def _is_counted(self, error: BaseException, permit: Permit) -> bool:
        """Whether ``error`` is that of a call inside this one, and was counted for it."""
        if not is_marked(error):
            return False
        serial, admitted = self.machine.serial, admitted_at(permit)
        # The number matters: an object that a later call raises again is a new failure.
        return (
            counted_as(error, serial, running_in()) > admitted
            or counted_as(error, serial, id(permit)) > admitted
        )

    def rejected_inside(self, permit: Permit, kind: object = ROUTE) -> None:
        """Record that the call of ``permit`` ends because this circuit rejected one inside it."""
        if isinstance(permit, Probe):
            with self._locked():
                self.machine.rejected_inside(permit, kind)

    def _note_fault(self, fault: PredicateError) -> None:
        if self._faults is None:
            self._faults = {}
        name = str(fault)
        if name not in self._faults:
            self._faults[name] = ThrottledLog(self.clock, f"circuit {self.key}: ")
        self._faults[name].fail(f"{name} raised, so the call is not counted", fault)
