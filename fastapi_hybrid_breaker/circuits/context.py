"""What the running code is inside of: calls that circuits admitted, and guarded requests.

Two context variables. ``_permit`` is set around the body of a call that was admitted as a probe,
as one of a ramp's share, or by shadow mode alone; ``_request`` around each request by the web
middleware, and around each call of a guarded transport. A context is copied into tasks and threads
that outlive the call, so nothing is ever taken back: a mark counts as long as the call or request
that it stands for runs.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.probe import Probe

from .permits import CallPermit, NestedPermit, admitted_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Token

    from fastapi_hybrid_breaker.core.machine import StateMachine
    from fastapi_hybrid_breaker.core.probe import Enclosing

    from .circuit import Circuit
    from .permits import Permit

Guard = tuple["Circuit", "Permit"]
"""A circuit that guards a request, and the request's permit of it."""


class Request:
    """What the guards of one request share: one mutable record, written from any context.

    Args:
        outer: the record of the request that this one runs inside of, or None.
    """

    __slots__ = ("counted", "guards", "is_over", "outer", "rejected")

    def __init__(self, outer: Request | None = None) -> None:
        self.outer: Request | None = outer
        self.guards: tuple[Guard, ...] = ()  # one is the rule, so nothing is looked up by key
        self.counted: set[StateMachine] = set()
        """Circuits for which a guarded call inside this request had an outcome."""
        self.rejected: set[str] = set()
        """Keys of circuits that rejected a call inside this request."""
        self.is_over: bool = False

    def permit_of(self, machine: StateMachine) -> Permit | None:
        """Return the request's own permit of a circuit, None where that does not guard it."""
        for circuit, permit in self.guards:
            if circuit._core.machine is machine:
                return permit
        return None

    def note_outcome(self, machine: StateMachine) -> None:
        """Record that a guarded call inside this request had an outcome."""
        request: Request | None = self
        while request is not None:
            request.counted.add(machine)  # that of one that is over is read by nobody
            request = request.outer

    def note_rejection(self, key: str) -> None:
        """Record that a circuit rejected a call inside this request."""
        request: Request | None = self
        while request is not None:
            request.rejected.add(key)
            request = request.outer

    def chain(self) -> Iterator[Request]:
        """Iterate over this request and those that it runs inside of."""
        request: Request | None = self
        while request is not None:
            yield request
            request = request.outer


# The innermost permit of a call that the running code is inside of; its ``outer`` leads on.
_permit: ContextVar[Enclosing | None] = ContextVar("hybrid_breaker_permit", default=None)
_request: ContextVar[Request | None] = ContextVar("hybrid_breaker_request", default=None)

# Set around each request, and put back after it, for in-process ASGI shares its caller's context.
# A request whose coroutine is dropped ends in another context: putting back is a ValueError there.
enter_request: Callable[[Request | None], Token[Request | None]] = _request.set
leave_request: Callable[[Token[Request | None]], None] = _request.reset

enter_permit: Callable[[Enclosing | None], object] = _permit.set
"""Run what follows inside of that permit alone; None: inside of none."""

innermost_permit: Callable[[], Enclosing | None] = _permit.get
"""Return the innermost permit that was entered in this context; its call may be over."""

recorded_request: Callable[[], Request | None] = _request.get
"""Return the innermost request of this context; it may be over."""


def current_request() -> Request | None:
    """Return the request that the running code is part of, if that has not ended."""
    request = _request.get()
    while request is not None and request.is_over:
        request = request.outer
    return request


def enter(permit: Enclosing) -> None:
    """Run what follows inside ``permit``, until that is settled; once for each permit.

    A settled permit counts for nothing, and the next one that is entered in this context takes
    its place. So it does not matter in which context, or in which order, calls end.
    """
    outer = _permit.get()
    if outer is not None:
        permit.outer = outer = None if outer.settled and outer.outer is None else _running(outer)
        while outer is not None:  # what has ended may not pile up
            outer.outer = _running(outer.outer)
            outer = outer.outer
    _permit.set(permit)


def leave(permit: Enclosing) -> None:
    """End what ``enter`` began before the permit is settled.

    What is left in another context, or before what was entered after it, ends with the permit.
    """
    if (top := _running(_permit.get())) is permit:
        _permit.set(top.outer)


def enclosing_probe(machine: StateMachine, now: float) -> Probe | None:
    """Return the running probe of a circuit that the running code is inside of.

    One past its deadline has no place to share any more.
    """
    permit = _permit.get()
    while permit is not None:
        is_same = permit.machine is machine and not permit.settled
        if is_same and isinstance(permit, Probe) and permit.has_place(now):
            return permit
        permit = permit.outer
    request = _request.get()
    while request is not None:
        guarding = request.permit_of(machine)
        probe = guarding.probe if isinstance(guarding, NestedPermit) else guarding
        if isinstance(probe, Probe) and probe.has_place(now) and not request.is_over:
            return probe
        request = request.outer
    return None


def enclosing_shadow(machine: StateMachine) -> CallPermit | None:
    """Return the running call, let through by shadow mode alone, that encloses the running code."""
    permit = _permit.get()
    while permit is not None:
        if permit.machine is machine and isinstance(permit, CallPermit) and permit.is_running():
            return permit if permit.is_shadowed else None
        permit = permit.outer
    request = current_request()
    for one in request.chain() if request is not None else ():
        guarding = one.permit_of(machine)
        held = guarding.probe if isinstance(guarding, NestedPermit) else guarding
        if isinstance(held, CallPermit) and held.is_running() and not one.is_over:
            return held if held.is_shadowed else None
    return None


def is_inside_admitted(machine: StateMachine) -> bool:
    """Whether the running code is inside of a call or request that this recovery has admitted."""
    permit = _permit.get()
    while permit is not None:
        if permit.machine is machine and permit.is_running():
            return True
        permit = permit.outer
    request = _request.get()
    while request is not None:
        guarding = request.permit_of(machine)
        if guarding is not None and admitted_at(guarding) >= machine.first and not request.is_over:
            return True
        request = request.outer
    return False


def _running(permit: Enclosing | None) -> Enclosing | None:
    while permit is not None and (permit.settled or not permit.is_running()):
        permit = permit.outer
    return permit
