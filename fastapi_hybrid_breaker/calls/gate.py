"""The two halves of a guarded call: being admitted, and settling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.counted import mark_counted, marks_on
from fastapi_hybrid_breaker.core.cycle import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.evidence import describe_error
from fastapi_hybrid_breaker.core.outcomes import PredicateError, judge, judge_result
from fastapi_hybrid_breaker.core.probe import UNCOUNTED, Probe
from fastapi_hybrid_breaker.core.states import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NO_VERDICT,
    OPEN,
    SUCCESS,
)
from fastapi_hybrid_breaker.core.translated import rejection_in
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .callables import UNKNOWN, check_callable, explain_misuse
from .context import (
    current_request,
    enclosing_permits,
    enclosing_probe,
    enter,
    is_inside_admitted,
    running_in,
)
from .fleet_side import FleetSide
from .permits import CallPermit, NestedPermit, admitted_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.states import CircuitState, Outcome

    from .permits import Permit


class Gate(FleetSide):
    """Admits calls and takes their outcomes, for the shapes of a circuit and for adapters."""

    __slots__ = ()

    # -- being admitted -------------------------------------------------------------------------

    def enter(self, fn: object = UNKNOWN) -> Permit:
        """Admit a call of ``fn`` in this context: what is called inside has to know of it.

        Raises:
            CircuitOpenError: rejected.
            TypeError: ``fn`` is what a callable returned.
        """
        if fn is not UNKNOWN:
            check_callable(fn)
        permit = self.admit()
        if isinstance(permit, Probe | CallPermit):
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
        if (free := machine.free_permit) is not None:
            return free
        now = self.clock()
        if (wait := machine.reject_until - now) > 0.0:
            raise self.rejection(wait)
        with self._lock:
            before, self._busy = self._busy, True
            try:
                permit = self._decide(now, is_route=is_route)
                if permit is None:
                    wait, state = machine.retry_after(now), machine.shown_state(now)
            finally:
                self._busy = before
        if not before:
            self._finish_admission(permit)
        if permit is not None:
            return permit
        if machine.shadow and machine.override is None:
            self.shadowed += 1
            if self.observer is not None:
                self.observer.shadowed(self)  # type: ignore[arg-type] # every gate is a circuit
            return UNCOUNTED
        raise self.rejection(wait or RETRY_WHILE_PROBING, state)

    def rejection(self, retry_after: float, state: CircuitState = OPEN) -> CircuitOpenError:
        """Count a rejection and return the error to raise; ``retry_after`` is in seconds."""
        self.rejected += 1
        if (request := current_request()) is not None:
            request.note_rejection(self.key)
        if self.observer is not None:
            self.observer.rejected(self, retry_after)  # type: ignore[arg-type] # as above
        error = CircuitOpenError(self.key, retry_after)
        if state is HALF_OPEN:
            error.state = state
        return error

    def _decide(self, now: float, *, is_route: bool) -> Permit | None:
        """Return a permit or None: rejected. Needs the lock."""
        machine = self.machine
        self._post(machine.lift(now), now)
        if machine.override is None and machine.state is HALF_OPEN:
            probe = enclosing_probe(machine, now)
            if probe is not None:
                return NestedPermit(probe, now)
        ticket: int | Probe | None
        if machine.ramp is not None and machine.override is None and is_inside_admitted(machine):
            ticket = machine.sequence  # it was drawn for already
        else:
            ticket, change = machine.admit(now, is_route=is_route)
            self._post(change, now)
        is_tracked = machine.state is CLOSED and (machine.timed or machine.ramp is not None)
        if is_tracked and isinstance(ticket, int) and ticket != UNCOUNTED:
            return CallPermit(machine, ticket, now)
        return ticket

    def _finish_admission(self, permit: Permit | None) -> None:
        try:
            self._leave()
        except BaseException:  # a listener ends the program: the permit reaches nobody
            if permit is not None:
                self.settle(permit, NO_VERDICT)
            raise

    # -- settling -------------------------------------------------------------------------------

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        *,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> None:
        """Record the outcome of the call that ``permit`` admitted, once for each call.

        A second one for the same permit changes nothing; plain numbers cannot tell.

        Args:
            permit: what ``admit`` returned.
            outcome: what the call says of its upstream.
            seconds: how long the call took, where that is not the time since it was admitted.
            error: an exception or a text, to explain an opening; not kept.
            asked: the open time that the upstream asks for, in seconds, or None.
        """
        machine = self.machine
        if seconds is None and machine.timed and not isinstance(permit, int):
            started = permit.started
            seconds = self.clock() - started
        if self.observer is not None:
            self.observer.settled(self, outcome, seconds)  # type: ignore[arg-type] # as above
        self._settle(permit, outcome, seconds=seconds, error=error, asked=asked)

    def settle_gate(self, permit: Permit) -> None:
        """Take back the permit of a guard that was only a gate, unobserved.

        A call inside of it had an outcome on this circuit, and a duration.
        """
        self._settle(permit, NO_VERDICT)

    def _settle(
        self,
        permit: Permit,
        outcome: Outcome,
        *,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> None:
        machine = self.machine
        if outcome is NO_VERDICT:
            if isinstance(permit, int | NestedPermit):
                return
        else:
            if machine.watched and (request := current_request()) is not None:
                request.note_outcome(machine)
            is_plain = outcome is SUCCESS and isinstance(permit, int)
            if is_plain and not (machine.failures or machine.meter.books or machine.noting):
                return  # a success that changes nothing
        now = self.clock()
        with self._lock:
            ticket = _ticket_of(permit)
            if ticket is None:
                return
            if self._busy:
                about = {"seconds": seconds, "error": describe_error(error), "asked": asked}
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
        *,
        seconds: float | None = None,
    ) -> None:
        """Record an exception as the outcome of the call that ``permit`` admitted.

        ``fn`` is what was called, where this circuit called it: a TypeError that is due to how it
        was given is not counted, and says what to write instead.
        """
        machine = self.machine
        if isinstance(error, TypeError) and explain_misuse(error, fn):
            self.settle(permit, NO_VERDICT, seconds=seconds)
            return
        try:
            outcome = judge(machine.config, error, self._is_counted_by(permit))
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = NO_VERDICT
        if outcome is NO_VERDICT:
            rejection = rejection_in(error)
            if rejection is not None and rejection.key == self.key:
                self.rejected_inside(permit)
        self.settle(permit, outcome, seconds=seconds, error=error)
        if outcome is FAILURE:
            callers = [running_in(), *(id(one) for one in enclosing_permits())]
            mark_counted(error, circuit=machine.serial, sequence=machine.sequence, callers=callers)

    def _is_counted_by(self, permit: Permit) -> Callable[[BaseException], bool]:
        """Return a function that tells whether an error is that of a call inside this one."""

        def is_counted(error: BaseException) -> bool:
            marks = marks_on(error, self.machine.serial)
            if not marks:
                return False
            admitted = admitted_at(permit)
            # The number matters: an object that a later call raises again is a new failure.
            return any(marks.get(caller, -1) > admitted for caller in (running_in(), id(permit)))

        return is_counted

    def rejected_inside(self, permit: Permit) -> None:
        """Record that the call of ``permit`` ends because this circuit rejected one inside it."""
        if isinstance(permit, Probe):
            with self._locked():
                self.machine.rejected_inside(permit)

    def _note_fault(self, fault: PredicateError) -> None:
        if self._faults is None:
            self._faults = {}
        name = str(fault)
        if name not in self._faults:
            self._faults[name] = ThrottledLog(self.clock, f"circuit {self.key}: ")
        self._faults[name].fail(f"{name} raised, so the call is not counted", fault)


def _ticket_of(permit: Permit) -> int | Probe | None:
    """Return what the machine knows of a permit, None where that is settled. Needs the lock."""
    if isinstance(permit, NestedPermit):
        return permit.probe
    if isinstance(permit, CallPermit):
        if permit.settled:
            return None
        permit.settled = True
        return permit.admitted
    return permit
