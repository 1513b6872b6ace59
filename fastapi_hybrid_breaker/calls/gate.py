"""The two halves of a guarded call: being admitted, and settling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.cycle import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.errors import (
    BarredCallError,
    CircuitOpenError,
    RejectedCallError,
)
from fastapi_hybrid_breaker.core.evidence import describe_error
from fastapi_hybrid_breaker.core.outcomes import PredicateError, judge, judge_result, mark_counted
from fastapi_hybrid_breaker.core.override import OverrideKind
from fastapi_hybrid_breaker.core.probe import UNCOUNTED, Probe
from fastapi_hybrid_breaker.core.states import CLOSED, FAILURE, NO_VERDICT, OPEN, SUCCESS
from fastapi_hybrid_breaker.core.windows import SUCCEEDED
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

from .bell import LEAD
from .context import (
    current_probe,
    current_request,
    enclosing_probe,
    enter_probe,
    is_sharing,
    put_probe,
)
from .fleet_side import FleetSide
from .permits import UNKNOWN, Borrowed, Permit, find_misuse

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import Outcome


class Gate(FleetSide):
    """Admits calls and takes their outcomes, for the shapes of a circuit and for adapters."""

    __slots__ = ()

    def admit(self) -> Permit:
        """Give a permit; each must come back to ``settle`` or one of its kin.

        Raises:
            CircuitOpenError: no permit is to be had now.
        """
        machine = self.machine
        if (ticket := machine.ticket) is not None:
            return ticket
        if (ticket := machine.timed_ticket) is not None:
            return ticket
        return self._ask()

    def enter(self) -> Permit:
        """Admit a call that runs in this context, where it is not admitted without a question.

        What nests in a probe must know of it.

        Raises:
            CircuitOpenError: no permit is to be had now.
        """
        machine = self.machine
        if machine.probing:  # so no request is guarded by it, for those are watched
            inner = current_probe()
            if inner is None or (inner.settled and inner.outer is None):  # inside of no probe
                probe = None
                now = self.clock()
                lock = self._lock  # by hand, see LockedMachine
                try:
                    lock.acquire()
                    if not self._inside:  # else the long way
                        self._inside = True
                        try:
                            probe = machine.take_place(now)
                        finally:
                            self._inside = False
                finally:
                    try:  # noqa: SIM105 - suppress() costs more than the lock
                        lock.release()
                    except RuntimeError:
                        pass
                if self._postponed:
                    self._settle_postponed()
                if probe is not None:
                    put_probe(probe)
                    return probe
        permit = self._ask()
        if type(permit) is Probe:
            enter_probe(permit)
        return permit

    def refuse(self) -> CircuitOpenError:
        """Give the error for a call that a barred circuit rejects.

        As ``_rejection``, in one Python call: each is a good part of what a rejection costs.
        """
        self.rejections += 1.0
        if (request := current_request()) is not None:
            request.note_rejection()
        return BarredCallError(self)

    def _ask(self) -> Permit:  # noqa: C901, PLR0912 - every way to be admitted or not, in their order
        machine = self.machine
        # What is read without the lock is at worst of a moment ago.
        if machine.barred:
            raise self.refuse()
        now = self.clock()
        if machine.override is not None:
            if (decided := self._admit_overridden(now)) is not None:
                return decided
        elif machine.state is OPEN and (wait := machine.deadline - now) > 0.0:
            if wait > LEAD:
                self._bar()
            return self._reject(wait)
        # Most calls run inside of nothing, or after a probe that has been settled.
        inner = current_probe()
        is_inside = inner is not None and (inner.outer is not None or not inner.settled)
        if is_inside or current_request() is not None:
            probe = enclosing_probe(machine, now)
            if probe is not None:
                return Borrowed(probe)
        if machine.ramp is not None and machine.state is CLOSED and is_sharing(machine):
            return machine.sequence
        with self._lock:
            before, self._inside = self._inside, True
            try:
                permit, change = machine.admit(now)
                wait = machine.retry_after(now) if permit is None else 0.0
            finally:
                self._inside = before
        if change is not None:
            try:
                self._tell(change)
            except BaseException:  # a listener ends the program: the permit reaches nobody
                if permit is not None:
                    self.settle(permit, NO_VERDICT)
                raise
        if machine.stirred:
            self._stir()
        if self._postponed:
            self._settle_postponed()
        return self._reject(wait or RETRY_WHILE_PROBING) if permit is None else permit

    def _bar(self) -> None:
        """Have calls rejected without a look at the clock, until the bell rings."""
        machine, bell = self.machine, self._hub.bell
        if bell is None:
            return
        with self._lock:
            until = machine.deadline - LEAD
            if self._inside or not machine.rejects_all() or until <= self.clock():
                return
            # Set first: whatever a finalizer changes in the middle of what follows, unsets it.
            is_noted = False
            try:
                machine.barred = True
                is_noted = bell.note(until, self)
            finally:
                if not is_noted:
                    machine.barred = False

    def ring(self) -> None:
        """Look at the clock from now on: the open time is nearly over, or was changed.

        Without the lock, for the bell waits for nobody: looking once more than needed is no harm.
        """
        self.machine.barred = False

    def start_time(self) -> float | None:
        """Give the time if this circuit wants to know how long calls take."""
        return self.clock() if self.machine.timed else None

    def settle(  # noqa: C901, PLR0912 - in one Python call, each costs as much as the rest
        self,
        permit: Permit,
        outcome: Outcome,
        started: float | None = None,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> None:
        """Take the outcome of the call that ``permit`` admitted, once for each call.

        A second one for a probe changes nothing; other permits cannot tell.

        Args:
            permit: what ``admit`` gave.
            outcome: what the call says of its dependency.
            started: what ``start_time`` gave.
            seconds: how long the call took, where that is not the time since ``started``.
            error: an exception or a text, to explain an opening; not kept.
            asked: the open time that the dependency asks for, in seconds, or None.
        """
        machine = self.machine
        if outcome is NO_VERDICT:
            if type(permit) is Borrowed or not (machine.timed or type(permit) is Probe):
                return
        else:
            if machine.watched and (request := current_request()):
                request.note_verdict(machine)
            if outcome is SUCCESS and type(permit) is int:
                counts = machine.failures or machine.meter.books or machine.noting
                if not counts:
                    return  # a success that changes nothing
        if isinstance(permit, Borrowed):
            permit = permit.probe
        now = self.clock()
        if seconds is None and machine.timed:
            if type(permit) is Probe:
                started = permit.started
            seconds = None if started is None else now - started
        with self._lock:
            if self._inside:
                about = {"seconds": seconds, "error": describe_error(error), "asked": asked}
                self._postpone(permit, outcome, about)
                return
            self._inside = True
            try:
                change = machine.settle(permit, outcome, now, seconds, error, asked)
            finally:
                self._inside = False
        if change is not None:
            self._tell(change)
        if machine.stirred:
            self._stir()
        if self._postponed:
            self._settle_postponed()

    def settle_success(self, permit: Permit, started: float | None) -> None:
        """Take a success as the outcome of the call that ``permit`` admitted."""
        machine = self.machine
        counts = machine.swift
        if counts is not None and type(permit) is int and permit >= machine.first:
            now = self.clock()
            limit = machine.meter.slow
            if now < counts.calm_until and (
                limit is None or (started is not None and now - started <= limit)
            ):
                if machine.watched and (request := current_request()) is not None:
                    request.note_verdict(machine)
                counts.by_kind[SUCCEEDED] += 1  # one step, so no lock
                return
        elif type(permit) is Probe:
            is_counted = False
            lock = self._lock  # by hand, see LockedMachine
            try:
                lock.acquire()
                if not self._inside:  # else it is put off, see LockedMachine
                    self._inside = True
                    try:
                        is_counted = machine.count_success(permit)
                    finally:
                        self._inside = False
            finally:
                try:  # noqa: SIM105 - suppress() costs more than the lock
                    lock.release()
                except RuntimeError:
                    pass
            if self._postponed:
                self._settle_postponed()
            if is_counted:
                return
        self.settle(permit, SUCCESS, started)

    def settle_gate(self, permit: Permit) -> None:
        """Take back the permit of a guard that was only a gate.

        A call inside of it gave this circuit a verdict, and its duration.
        """
        self.settle(permit, NO_VERDICT, seconds=0.0)

    def settle_result(self, permit: Permit, result: object, started: float | None) -> None:
        """Take a returned value as the outcome of the call that ``permit`` admitted."""
        if self.machine.config.failure_result is None:
            self.settle_success(permit, started)
            return
        try:
            outcome = judge_result(self.machine.config, result)
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = NO_VERDICT
        error = "the returned value" if outcome is FAILURE else None
        self.settle(permit, outcome, started=started, error=error)

    def settle_error(
        self,
        permit: Permit,
        error: BaseException,
        fn: object = UNKNOWN,
        started: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Take an exception as the outcome of the call that ``permit`` admitted.

        ``fn`` is what was to be called, where this circuit called it.

        Raises:
            TypeError: ``fn`` was given in a way that cannot work, a sync callable to ``call``.
        """
        machine = self.machine
        if fn is not UNKNOWN and type(error) is TypeError:
            misuse = find_misuse(fn, error)
            if misuse is not None:
                self.settle(permit, NO_VERDICT)
                raise misuse from None
        ticket = permit.probe if isinstance(permit, Borrowed) else permit
        admitted = ticket.admitted if isinstance(ticket, Probe) else ticket
        try:
            outcome = judge(machine.config, error, circuit=machine.serial, admitted=admitted)
        except PredicateError as fault:
            self._note_fault(fault)
            outcome = NO_VERDICT
        self.settle(permit, outcome, started, seconds, error)
        if outcome is FAILURE:
            mark_counted(error, circuit=machine.serial, sequence=machine.sequence)

    def _admit_overridden(self, now: float) -> Permit | None:
        """Decide by the override; None: its time is up, and the circuit decides."""
        machine = self.machine
        with self._alone():
            change = machine.lift(now)
            override = machine.override
            wait = machine.retry_after(now)
        self._tell(change)
        if override is None:
            return machine.timed_ticket if machine.timed else machine.ticket
        if override.kind is OverrideKind.DISABLED:
            return UNCOUNTED
        raise self._rejection(wait or RETRY_WHILE_PROBING)

    def _reject(self, retry_after: float) -> Permit:
        """Raise, or in shadow mode let the call through, uncounted."""
        if self.machine.shadow:
            self.shadowed += 1
            return UNCOUNTED
        raise self._rejection(retry_after)

    def _rejection(self, retry_after: float) -> CircuitOpenError:
        self.rejections += 1.0
        if request := current_request():
            request.note_rejection()
        return RejectedCallError(self.machine.key, retry_after)

    def _note_fault(self, fault: PredicateError) -> None:
        if self._faults is None:
            self._faults = {}
        name = str(fault)
        if name not in self._faults:
            self._faults[name] = ThrottledLog(self.clock, f"circuit {self.key}: ")
        self._faults[name].fail(f"{name} raised, so the call is not counted", fault)
