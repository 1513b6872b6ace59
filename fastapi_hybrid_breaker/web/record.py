"""The record of one request: who guards it, what was seen of it, and the settling at its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.circuits.admission import admit
from fastapi_hybrid_breaker.circuits.context import Request
from fastapi_hybrid_breaker.circuits.settling import rejected_inside, settle, settle_error
from fastapi_hybrid_breaker.core.errors import CircuitOpenError
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED, SUCCESS

from .outcome import error_of_application, outcome_of_status

if TYPE_CHECKING:
    from starlette.types import Scope

    from fastapi_hybrid_breaker.breaker import Breaker
    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.permits import Permit

SCOPE_KEY: Final = "fastapi_hybrid_breaker"
"""Where the record stands in the scope. A middleware that copies the scope copies only the
reference, so that guards further in and the middleware further out share one record."""


class RouteRequest:
    """One request, from the middleware's entrance to its exit.

    ``shared`` is what guarded calls inside of it, in whatever context, read and write.

    Args:
        breaker: whose circuits guard here.
        outer: the record of the request that this one runs inside of: of the application that
            this one is mounted in, or that calls this one in process; or None.
    """

    __slots__ = (
        "_answered",
        "_handled_outside",
        "_headers_sent_at",
        "_is_timed",
        "breaker",
        "is_uncounted",
        "send_errors",
        "shared",
        "status",
        "unsettled",
    )

    def __init__(self, breaker: Breaker, outer: Request | None) -> None:
        self.shared: Request = Request(outer)
        self.breaker: Breaker = breaker
        self.unsettled: bool = False  # guards have permits that are to be given back
        self.is_uncounted: bool = False  # for a page of our own, or of a key that cannot be made
        self.status: int | None = None
        self.send_errors: tuple[Exception, ...] = ()
        # The exception that an exception handler answers, while it does; that of a caller in
        # process, which calls the application in a handler of its own, is none of this request.
        self._answered: BaseException | None = None
        self._handled_outside = sys.exc_info()[1]
        self._is_timed = False  # how long the headers took may matter
        self._headers_sent_at: float | None = None  # monotonic seconds

    def enter(self, circuit: Circuit) -> None:
        """Acquire the request's permit of ``circuit``, unless a guard before has it.

        Raises:
            CircuitOpenError: rejected.
        """
        shared = self.shared
        if self.is_uncounted or shared.permit_of(circuit._core.machine) is not None:
            return
        try:
            permit = admit(circuit, is_route=True)
        except CircuitOpenError as error:
            shared.note_rejection(error.key)  # known through the scope, whatever the context
            raise
        circuit._guarded_by_route = True
        shared.guards = (*shared.guards, (circuit, permit))
        self.unsettled = True
        if not isinstance(permit, int):
            self._is_timed = True
            if isinstance(permit, Probe):
                permit.watcher = self

    def begin(self, status: int) -> None:
        """Record the status of the answer, or (101) that a WebSocket was accepted."""
        self.status = status
        if self._is_timed:
            self._headers_sent_at = self.breaker._host.clock()
        if status >= 400 and self.unsettled:
            handled = sys.exc_info()[1]
            self._answered = None if handled is self._handled_outside else handled

    def end_of_body(self) -> None:
        """Settle now, because what follows (background tasks) is not part of the outcome."""
        if self._answered is None:
            self._settle_all(None, self.status)
        else:
            error = error_of_application(self._answered, self.send_errors)
            self._settle_all(error, None, answer=self.status)

    def end_with(self, error: BaseException) -> None:
        """Settle now: ``error`` left the application, or is the client's leaving."""
        self._settle_all(error_of_application(error, self.send_errors), self.status)

    def end(self) -> None:
        """Settle now: the application returned."""
        self._settle_all(None, self.status)

    def looks_healthy(self) -> bool:
        """Whether a client that left now would leave behind successes."""
        rejected = bool(self.shared.rejected)
        return self.unsettled and all(
            outcome_of_status(circuit.config, self.status, rejected=rejected) is SUCCESS
            for circuit, _ in self.shared.guards
        )

    def _settle_all(
        self, error: BaseException | None, status: int | None, answer: int | None = None
    ) -> None:
        """Settle by ``error``, or where there is none by ``status``.

        ``answer``: the status with which an exception handler answers. Where that is not a failure
        to a circuit it counts, and not the exception.
        """
        if not self.unsettled:
            return
        self.unsettled = False
        for circuit, permit in self.shared.guards:
            core = circuit._core
            if self.is_uncounted or core.machine in self.shared.counted:
                settle(circuit, permit, NOT_COUNTED, is_gate=True)
                continue
            seconds = self._seconds(circuit, permit) if self._is_timed else None
            is_answer = answer is not None and answer < 500 and not core.config.is_failing(answer)
            if error is not None and not is_answer:
                settle_error(circuit, permit, error, seconds=seconds)
                continue
            judged = answer if is_answer else status
            outcome = outcome_of_status(core.config, judged, rejected=bool(self.shared.rejected))
            if outcome is SUCCESS and isinstance(permit, int) and not core.counts_successes:
                if self.shared.outer is not None:
                    self.shared.outer.note_outcome(core.machine)
                continue
            if outcome is NOT_COUNTED and circuit.key in self.shared.rejected:
                rejected_inside(circuit, permit)
            text = f"status {judged}" if outcome is FAILURE else None
            settle(circuit, permit, outcome, seconds, text)

    def _seconds(self, circuit: Circuit, permit: Permit) -> float | None:
        """Return how long the headers took, where a rule asks: streams last as long as wanted."""
        if isinstance(permit, int) or not circuit._core.timed:
            return None
        sent_at = self._headers_sent_at
        return (circuit._clock() if sent_at is None else sent_at) - permit.started


def leave_uncounted(scope: Scope) -> None:
    """Make no circuit count the request of ``scope``, nor admit or reject it, from now on."""
    record = scope.get(SCOPE_KEY)
    if isinstance(record, RouteRequest):
        record.is_uncounted = True
