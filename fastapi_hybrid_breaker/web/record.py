"""The record of one request: who guards it, what was seen of it, and the settling at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.calls.context import Request
from fastapi_hybrid_breaker.calls.permits import Borrowed, Permit
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.states import Outcome

from .outcome import error_of_application, outcome_of_status

if TYPE_CHECKING:
    from starlette.types import Scope

    from fastapi_hybrid_breaker.breaker import HybridBreaker
    from fastapi_hybrid_breaker.calls.circuit_object import Circuit

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

    __slots__ = ("breaker", "deferred", "guards", "home", "mounted", "send_error", "status")

    # Written out, without super(): this runs for every request, guarded or not.
    def __init__(self, breaker: HybridBreaker, home: object, outer: Request | None) -> None:
        self.outer = outer
        self.permits = None
        self.judged = None
        self.rejected = False
        self.breaker = breaker
        self.home = home
        self.guards: list[tuple[Circuit, Permit]] | None = None
        self.status: int | None = None
        self.send_error: OSError | None = None
        self.mounted = False
        self.deferred = False

    def enter(self, circuit: Circuit, scope: Scope) -> None:
        """Take the request's permit of ``circuit``, unless a guard before has taken it.

        Raises:
            CircuitOpenError: no permit is to be had now.
        """
        machine = circuit.machine
        if self.permits is not None and machine in self.permits:
            return
        try:
            permit = circuit.admit()
        except CircuitOpenError:
            self.note_rejection()  # it knows the way through the scope, whatever the context
            raise
        circuit.watch()
        if self.guards is None or self.permits is None:
            self.guards, self.permits = [], {}
            self.mounted = scope.get("app") is not self.home
        self.guards.append((circuit, permit))
        self.permits[machine] = permit.probe if isinstance(permit, Borrowed) else permit

    def end_of_body(self) -> None:
        """Settle now, because what follows (background tasks) is no part of the verdict.

        An application mounted in this one has an error page of its own, sent before the
        exception that it stands for gets here; that exception knows better.
        """
        if self.mounted and self.status is not None and self.status >= 500:
            self.deferred = True
        else:
            self.settle()

    def end_with(self, error: BaseException) -> None:
        """Settle now: ``error`` left the application."""
        if self.deferred:
            self.status = None  # it was the error page
        self.settle(error_of_application(error, self.send_error))

    def settle(self, error: BaseException | None = None) -> None:
        """Give each permit back, once, with what ``error`` or else the status says."""
        guards, self.guards = self.guards, None
        for circuit, permit in guards or ():
            if self.judged is not None and circuit.machine in self.judged:
                # A call inside gave the circuit a verdict: the route was only its gate.
                circuit.settle(permit, Outcome.NO_VERDICT)
            elif error is None:
                config = circuit.machine.config
                outcome = outcome_of_status(config, self.status, rejected=self.rejected)
                circuit.settle(permit, outcome)
            elif self.rejected:
                circuit.settle(permit, Outcome.NO_VERDICT)  # as for the 500 it leads to
            else:
                circuit.settle_error(permit, error)
