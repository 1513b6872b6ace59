"""The permit of one call through a transport, from its admission to the end of its body."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.circuits.context import (
    Request,
    enter,
    enter_request,
    leave,
    leave_request,
    recorded_request,
)
from fastapi_hybrid_breaker.circuits.permits import CallPermit
from fastapi_hybrid_breaker.circuits.settling import settle, settle_error
from fastapi_hybrid_breaker.core.probe import Probe
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED, SUCCESS

from .outcome import about_upstream, of_head
from .retry_after import ASKING, read_retry_after
from .streams import watched

if TYPE_CHECKING:
    from contextvars import Token

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.permits import EnteredPermit, Permit
    from fastapi_hybrid_breaker.core.states import Outcome

_LIBRARIES = frozenset({"httpx", "httpx2"})


class Lease:
    """One permit; watches the response's body, and settles once.

    There is no finalizer on purpose: the garbage collector would run it anywhere, also amid a
    change of this circuit's state. A response that is neither read nor closed costs a probe its
    place until the probe's deadline, and otherwise nothing.
    """

    __slots__ = (
        "_body",
        "_circuit",
        "_entered",
        "_is_watched",
        "_permit",
        "_record",
        "_since",
        "_token",
        "_waited",
        "timed",
    )

    def __init__(self, circuit: Circuit, permit: Permit) -> None:
        self._circuit = circuit
        self._permit: Permit | None = permit
        self._entered: EnteredPermit | None = None
        self._body: _RequestBody | None = None
        # What guards of an application in process, which the transport calls, have to say of it.
        self._record = Request(recorded_request())
        self._token: Token[Request | None] | None = None
        self._is_watched = False  # the head was good, and the body decides
        self.timed: bool = circuit._core.timed
        self._waited = 0.0  # seconds, for the dependency
        self._since: float | None = None  # waiting since then, monotonic seconds
        if isinstance(permit, Probe):
            permit.watcher = self

    def enter(self, request: Any) -> None:
        """Begin the part of the call that runs in the transport."""
        if self.timed:
            self.waits()
        if isinstance(self._permit, Probe | CallPermit):
            self._entered = self._permit
            enter(self._entered)
        self._token = enter_request(self._record)
        kind = type(request.stream)
        # What is made of bytes, text, forms and JSON holds its bytes, and cannot fail.
        if kind.__name__ != "ByteStream" or kind.__module__ not in _LIBRARIES:
            self._body = _RequestBody(request.stream)
            request.stream = self._body.stream

    def leave(self, request: Any) -> None:
        """End what ``enter`` began: later requests of this task are not inside of this one."""
        if self._entered is not None:
            leave(self._entered)
            self._entered = None
        self._record.is_over = True
        if self._token is not None:
            with suppress(ValueError):  # dropped amid the call, it ends in another context
                leave_request(self._token)
            self._token = None
        # The transport may have replaced it by what it read; and a request can be sent again.
        if self._body is not None and request.stream is self._body.stream:
            request.stream = self._body.original

    def watch(self, request: Any, response: Any) -> Any:
        """Judge the response by its head, or have its body watched."""
        if self.timed:
            self.came()
        outcome = of_head(
            self._circuit.config,
            request.method,
            response.status_code,
            is_over=response.is_stream_consumed or response.is_closed,
        )
        if outcome is None:
            self._is_watched = True
            response.stream = watched(response.stream, self)
        elif outcome is FAILURE:
            status = response.status_code
            headers = response.headers
            asked = None
            if status in ASKING:
                asked = read_retry_after(
                    headers.get("retry-after"), headers.get("date"), time.time()
                )
            self._settle(outcome, error=f"status {status}", asked=asked)
        else:
            self._settle(outcome)
        return response

    def waits(self) -> None:
        """Begin to wait for the dependency; what the caller does in between is no matter."""
        self._since = self._circuit._clock()

    def came(self) -> None:
        """Record that it has answered, or sent a chunk."""
        self._waited, self._since = self._seconds() or 0.0, None

    def looks_healthy(self) -> bool:
        """Whether a caller that left now would leave behind a success: the status was good."""
        return self._is_watched

    def ended(self) -> None:
        """Record the end of the response's body."""
        self._settle(SUCCESS)

    def left(self) -> None:
        """Record that nobody will read on; after the end, as clients do, it changes nothing."""
        self._settle(SUCCESS)

    def failed(self, error: BaseException) -> None:
        """Record an exception, of the transport or of the response's body."""
        # Once the request's body has failed, nothing that follows says anything about the upstream.
        cause = None
        if self._body is None or not self._body.has_failed:
            cause = about_upstream(self._circuit.config, error)
        if cause is None:
            self._settle(NOT_COUNTED)
            return
        permit, self._permit = self._permit, None
        if permit is not None:
            settle_error(self._circuit, permit, cause, seconds=self._seconds())

    def _seconds(self) -> float | None:
        """Return how long the dependency was waited for, where anybody wants to know."""
        if not self.timed:
            return None
        if self._since is None:
            return self._waited
        return self._waited + self._circuit._clock() - self._since

    def _settle(
        self, outcome: Outcome, *, error: str | None = None, asked: float | None = None
    ) -> None:
        permit, self._permit = self._permit, None
        if permit is None:
            return
        circuit = self._circuit
        if circuit._core.machine in self._record.counted:  # by a guard inside, in this process
            settle(circuit, permit, NOT_COUNTED, is_gate=True)
            return
        # A healthy circuit looks at failures only: that saves its lock.
        if outcome is FAILURE or circuit._core.counts_successes or circuit._guarded_by_route:
            settle(
                self._circuit, permit, outcome, seconds=self._seconds(), error=error, asked=asked
            )


class _RequestBody:
    """Notes whether the request's body raised: that is the caller's own error."""

    __slots__ = ("has_failed", "original", "stream", "timed")

    def __init__(self, original: Any) -> None:
        self.original = original
        self.has_failed = False
        self.timed = False
        self.stream = watched(original, self)

    def waits(self) -> None:
        """Nothing to note."""

    def came(self) -> None:
        """Nothing to note."""

    def ended(self) -> None:
        """Nothing to note."""

    def left(self) -> None:
        """Nothing to note."""

    def failed(self, error: BaseException) -> None:  # noqa: ARG002 - a watcher's
        """Note it; whatever the transport raises for it, under whatever name, is this."""
        self.has_failed = True
