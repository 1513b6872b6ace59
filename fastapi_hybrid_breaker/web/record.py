"""The record of one request: who guards it, what was seen of it, and the settling at its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.calls.context import Request
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.states import FAILURE, NO_VERDICT, SUCCESS

from .outcome import error_of_application, outcome_of_status

if TYPE_CHECKING:
    from starlette.types import Scope

    from fastapi_hybrid_breaker.breaker import HybridBreaker
    from fastapi_hybrid_breaker.calls.circuit_object import Circuit
    from fastapi_hybrid_breaker.calls.context import Guard
    from fastapi_hybrid_breaker.calls.permits import Permit
    from fastapi_hybrid_breaker.core.machine import Machine

SCOPE_KEY: Final = "fastapi_hybrid_breaker"
"""Where the record stands in the scope. A middleware that copies the scope copies only the
reference, so that guards further in and the middleware further out share one record."""


class RouteRequest(Request):
    """One request, from the middleware's entrance to its exit.

    Args:
        breaker: whose circuits guard here.
        home: the application that the breaker is installed on.
        outer: the record of the application that this one is mounted in, or None.
    """

    __slots__ = (
        "breaker",
        "calm",
        "error_page_of",
        "head_at",
        "home",
        "send_errors",
        "status",
        "timed",
        "unsettled",
    )

    # Written out, without super(): this runs for every request, guarded or not.
    def __init__(self, breaker: HybridBreaker, home: object, outer: Request | None) -> None:
        self.outer = outer
        self.guards = ()
        self.judged = None
        self.rejected = False
        self.breaker = breaker
        self.home = home
        self.unsettled = False  # guards have permits that are to be given back
        # The only guard's circuit, where a success is likely to change nothing and concern nobody.
        self.calm: Machine | None = None
        self.status: int | None = None
        self.timed = False  # a guarding circuit wants to know how long the request takes
        self.head_at: float | None = None  # monotonic seconds
        self.send_errors: tuple[Exception, ...] = ()
        self.error_page_of: BaseException | None = None

    def enter(self, circuit: Circuit) -> None:
        """Take the request's permit of ``circuit``, unless a guard before has taken it.

        Raises:
            CircuitOpenError: no permit is to be had now.
        """
        machine = circuit.machine
        if self.is_guarded_by(machine):
            return
        permit: Permit | None = machine.ticket
        if permit is None:
            try:
                permit = circuit.admit()
            except CircuitOpenError:
                self.note_rejection()  # it knows the way through the scope, whatever the context
                raise
        if not machine.watched:
            circuit.watch()
        started = None
        if machine.timed:
            self.timed, started = True, circuit.start_time()
        self.calm = None
        self.guards = (*self.guards, (circuit, permit, started))
        self.unsettled = True
        if isinstance(permit, Probe):
            permit.witness = self

    def begin(self, status: int) -> None:
        """Take the head of the answer, or (101) the acceptance of a WebSocket."""
        self.status = status
        if self.timed:
            self.head_at = self.breaker.clock()

    def end_of_body(self, scope: Scope) -> None:
        """Settle now, because what follows (background tasks) is no part of the verdict.

        An application mounted in this one has an error page of its own, sent while the exception
        that it stands for is handled; that exception gets here after it, and knows better.
        """
        if self.status is not None and self.status >= 500 and scope.get("app") is not self.home:
            self.error_page_of = sys.exc_info()[1]
        if self.error_page_of is None:
            self.settle()

    def end_with(self, error: BaseException) -> None:
        """Settle now: ``error`` left the application."""
        if self.error_page_of is None:
            self.settle(error_of_application(error, self.send_errors))
        elif self.error_page_of is error:
            self.status = None  # it was the page
            self.settle(error_of_application(error, self.send_errors))
        else:
            self.settle()  # an answer after all; this came of what followed it

    def seems_well(self) -> bool:
        """Tell whether a client that left now would leave behind successes."""
        return all(
            outcome_of_status(circuit.config, self.status, rejected=self.rejected) is SUCCESS
            for circuit, _, _ in self._to_settle()
        )

    def settle(self, error: BaseException | None = None) -> None:
        """Give each permit back, once, with what ``error`` or else the status says."""
        guards, self.unsettled = self._to_settle(), False
        for circuit, permit, started in guards:
            seconds = None
            if started is not None:
                # Until the head: streams last as long as they are wanted.
                head_at = self.breaker.clock() if self.head_at is None else self.head_at
                seconds = head_at - started
            if self.judged is not None and circuit.machine in self.judged:
                circuit.settle_gate(permit)
            elif error is None:
                config = circuit.machine.config
                outcome = outcome_of_status(config, self.status, rejected=self.rejected)
                text = f"status {self.status}" if outcome is FAILURE else None
                circuit.settle(permit, outcome, seconds=seconds, error=text)
            elif self.rejected:
                # As for the 500 it leads to.
                circuit.settle(permit, NO_VERDICT, seconds=seconds)
            else:
                circuit.settle_error(permit, error, seconds=seconds)

    def _to_settle(self) -> tuple[Guard, ...]:
        return self.guards if self.unsettled else ()
