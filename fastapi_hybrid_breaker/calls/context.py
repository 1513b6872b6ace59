"""What a guarded call runs inside of: a probe of the same circuit, or a guarded request.

Two context variables. ``_probe`` is set around the body of a call that runs as a probe, so that
a call on the same circuit within it shares the permit. ``_request`` is set by the web
middleware, so that a route's verdict can know what happened inside of it.
"""

from __future__ import annotations

import contextlib
import threading
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.probe import Probe

from .permits import Borrowed

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.machine import Machine

    from .circuit_object import Circuit
    from .permits import Permit

Guard = tuple["Circuit", "Permit", float | None]
"""A circuit that guards a request, the request's permit of it, and when it was given (monotonic
seconds; None: nobody asks how long the request takes)."""

_first_note = threading.Lock()
"""Two threads of one request must not both make the set, and one of them lose its note."""


class Request:
    """What the guards of one request share: one mutable record, written from any context.

    Args:
        outer: the record of an application that this one is mounted in, or None.
    """

    __slots__ = ("guards", "judged", "outer", "rejected")

    def __init__(self, outer: Request | None = None) -> None:
        self.outer = outer
        self.guards: tuple[Guard, ...] = ()  # one is the rule, so nothing is looked up by key
        self.judged: set[Machine] | None = None
        self.rejected = False

    def is_guarded_by(self, machine: Machine) -> bool:
        """Tell whether a circuit guards this request."""
        return any(circuit.machine is machine for circuit, _, _ in self.guards)

    def probe_of(self, machine: Machine) -> Probe | None:
        """Give the probe that this request is for ``machine``, or runs inside of."""
        for circuit, permit, _ in self.guards:
            if circuit.machine is machine:
                probe = permit.probe if isinstance(permit, Borrowed) else permit
                return probe if isinstance(probe, Probe) else None
        return None

    def note_verdict(self, machine: Machine) -> None:
        """Note that a guarded call inside this request gave a verdict on a circuit."""
        request: Request | None = self
        while request is not None:
            if request.judged is None:
                with _first_note:
                    if request.judged is None:
                        request.judged = set()
            request.judged.add(machine)
            request = request.outer

    def note_rejection(self) -> None:
        """Note that some circuit rejected a call inside this request."""
        request: Request | None = self
        while request is not None:
            request.rejected = True
            request = request.outer


# The innermost probe that the running code is inside of, and by its ``outer`` the others.
_probe: ContextVar[Probe | None] = ContextVar("hybrid_breaker_probe", default=None)
_request: ContextVar[Request | None] = ContextVar("hybrid_breaker_request", default=None)

# The circuits whose recovery admits only a share of the calls, and that have admitted one which
# the running code is inside of: what nests in it is no further call to be drawn for.
_shared: ContextVar[frozenset[Machine]] = ContextVar("hybrid_breaker_shared", default=frozenset())

current_request = _request.get

# The chain as it is, and a new one of one: for who knows that nothing in it runs any more.
current_probe = _probe.get
put_probe = _probe.set

# Set around each request, and put back after it, for in-process ASGI shares its caller's context.
# A request whose coroutine is dropped ends in another context: putting back is a ValueError there.
enter_request = _request.set
leave_request = _request.reset


def note_verdict(machine: Machine) -> None:
    """Have the request, if the code runs in one, know of a verdict on a circuit."""
    if (request := _request.get()) is not None:
        request.note_verdict(machine)


def note_rejection() -> None:
    """Have the request, if the code runs in one, know of a rejection."""
    if (request := _request.get()) is not None:
        request.note_rejection()


def enter_share(machine: Machine) -> Token[frozenset[Machine]]:
    """Run what follows as part of an admitted call; the token goes to ``leave_share``."""
    return _shared.set(_shared.get() | {machine})


def leave_share(token: Token[frozenset[Machine]]) -> None:
    """End what ``enter_share`` began; in another context there is nothing to end."""
    with contextlib.suppress(ValueError):
        _shared.reset(token)


def is_sharing(machine: Machine) -> bool:
    """Tell whether the running code is inside of a call that the circuit has admitted."""
    if machine in _shared.get():
        return True
    request = _request.get()
    while request is not None:
        if request.is_guarded_by(machine):
            return True
        request = request.outer
    return False


def enter_probe(probe: Probe) -> None:
    """Run what follows inside ``probe``, until that is settled; once for each probe.

    Nothing is put back then: a settled probe counts for nothing, and the next one that begins in
    this context takes its place. So it does not matter in which context, or in which order, the
    calls of probes end.
    """
    outer = _probe.get()
    while outer is not None and not outer.is_running():
        outer = outer.outer  # such may not pile up
    probe.outer = outer
    _probe.set(probe)


def leave_probe(probe: Probe) -> None:
    """End what ``enter_probe`` began before the probe is settled.

    What is left in another context, or before what was entered after it, ends with the probe.
    """
    top = _probe.get()
    while top is not None and top is not probe and not top.is_running():
        top = top.outer  # of a call inside of this one, that has ended
    if top is probe:
        _probe.set(probe.outer)


def enclosing_probe(machine: Machine, now: float) -> Probe | None:
    """Give the running probe of ``machine`` that the running code is inside of.

    One past its deadline has no place to share any more.
    """
    probe = _probe.get()
    while probe is not None:
        if probe.machine is machine and probe.has_place(now):
            return probe
        probe = probe.outer
    request = _request.get()
    while request is not None:
        found = request.probe_of(machine)
        if found is not None and found.has_place(now):
            return found
        request = request.outer
    return None
