"""The core of a circuit under its lock."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core.evidence import describe_error
from fastapi_hybrid_breaker.core.probe import SHADOWED

from .deciding import decide
from .permits import CallPermit, NestedPermit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
    from fastapi_hybrid_breaker.core.probe import Ticket
    from fastapi_hybrid_breaker.core.states import Outcome, StateChange

    from .circuit_object import Circuit
    from .hub import Hub
    from .permits import Permit


class Locked:
    """Every change of a core, one after the other, and its outbox after each of them.

    The lock is re-entrant: under it the collector of garbage may finalize a generator that holds
    a permit of this very circuit, and so come back to it in the middle of a change. What is
    settled there is deferred until the change is done.

    Changes are put into the hub's queue under the lock, in their order, and delivered outside of
    it: no listener is called under the lock.
    """

    __slots__ = ("_busy", "_deferred", "_history", "_hub", "_lock", "core")

    def __init__(self, core: CircuitCore, hub: Hub) -> None:
        self.core = core
        self._hub = hub
        self._lock = threading.RLock()
        self._busy = False  # this thread, which holds the lock, is in the middle of something
        self._deferred: deque[tuple[Ticket, Outcome, dict[str, Any]]] = deque()
        self._history: deque[StateChange] | None = None  # most circuits never change

    @contextmanager
    def hold(self, circuit: Circuit) -> Iterator[CircuitCore]:
        """Hold the lock for a reading or a change; afterwards deliver what came of it."""
        core = self.core
        with self._lock:
            before, self._busy = self._busy, True
            try:
                yield core
            finally:
                core.publish()
                self._record()
                self._busy = before
        if not before:
            self.deliver(circuit)

    @contextmanager
    def change(self, circuit: Circuit) -> Iterator[tuple[CircuitCore, float]]:
        """Hold the lock for a change, and yield the time; an expired override ends before it."""
        now = self._hub.clock()
        with self.hold(circuit) as core:
            core.lift(now)
            yield core, now

    def admit(self, now: float, fn: object, kind: object) -> Permit | None:
        """Return a permit, or None: rejected. ``deliver`` has to follow, see ``has_news``."""
        with self._lock:
            before, self._busy = self._busy, True
            try:
                permit = decide(self.core, now, fn, kind)
                if self.core.outbox.changes:
                    self._record()
            finally:
                self._busy = before
        return permit

    def settle(
        self,
        permit: Permit,
        outcome: Outcome,
        now: float,
        seconds: float | None,
        error: object,
        asked: float | None,
    ) -> None:
        """Settle a call, or leave that to whoever is amid a change; ``deliver`` has to follow."""
        core = self.core
        with self._lock:
            if isinstance(permit, int):
                ticket: Ticket = permit
            else:
                held = permit.probe if type(permit) is NestedPermit else permit
                if held.settled:
                    return
                if type(held) is CallPermit:
                    held.settled = True
                    ticket = SHADOWED if held.is_shadowed else held.admitted
                else:
                    ticket = held
            if self._busy:
                described = describe_error(error, core.config.describe_error)
                about = {"seconds": seconds, "error": described, "asked": asked}
                self._deferred.append((ticket, outcome, about))
                return
            self._busy = True
            try:
                if core.override.current is not None:
                    core.lift(now)
                core.settle(ticket, outcome, now, seconds, error, asked)
                if core.outbox.changes:
                    self._record()
            finally:
                self._busy = False

    def has_news(self) -> bool:
        """Return whether something waits to be delivered; not amid a change, whose end does it."""
        outbox = self.core.outbox
        return not self._busy and bool(outbox.has_changed or outbox.needs_sync or self._deferred)

    def deliver(self, circuit: Circuit) -> None:
        """Do, outside of the lock, what had to wait for the end of a change."""
        outbox = self.core.outbox
        while True:
            if outbox.needs_sync:
                outbox.needs_sync = False
                self._hub.stirred(circuit)
            if outbox.has_changed:
                outbox.has_changed = False
                self._hub.changed(circuit)
                self._hub.changes.deliver()
            if not self._deferred or not self._settle_deferred():
                return

    def history(self) -> tuple[StateChange, ...]:
        """Return the last changes, oldest first."""
        with self._lock:
            return tuple(self._history or ())

    def after_fork(self) -> None:
        """Start over in a child process: a lock may have been held by a thread left behind."""
        self._lock = threading.RLock()
        self._busy = False
        self._deferred.clear()  # calls of the parent
        self.core.after_fork()

    def _settle_deferred(self) -> bool:
        """Settle the first call that was deferred; False: that is another thread's to do."""
        with self._lock:
            if self._busy or not self._deferred:
                return False
            ticket, outcome, about = self._deferred.popleft()
            self._busy = True
            try:
                self.core.settle(ticket, outcome, self._hub.clock(), **about)
                self._record()
            finally:
                self._busy = False
        return True

    def _record(self) -> None:
        """Queue the changes in the outbox for the history, the log and listeners."""
        for change in self.core.outbox.take():
            told = replace(change, time=time.time(), instance=change.instance or self._hub.instance)
            if self._history is None:
                self._history = deque(maxlen=self.core.config.history_size)
            self._history.append(told)
            is_received = change.instance not in {"", self._hub.instance}
            self._hub.changes.put(told, is_received=is_received)
