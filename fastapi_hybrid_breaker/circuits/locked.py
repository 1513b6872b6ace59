"""The core of a circuit under its lock."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core.states import StateChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
    from fastapi_hybrid_breaker.core.probe import Ticket
    from fastapi_hybrid_breaker.core.states import Outcome

    from .circuit import Circuit
    from .host import Host


class Locked:
    """Every change of a core, one after the other, and its outbox after each of them.

    The lock is re-entrant: under it the collector of garbage may finalize a generator that holds
    a permit of this very circuit, and so come back to it in the middle of a change. What is
    settled there is deferred until the change is done.

    Changes are put into the host's queue under the lock, in their order, and delivered outside of
    it: no listener is called under the lock.

    Whoever takes ``lock`` by hand, as calls do, sets ``is_busy`` for as long as the core is amid a
    change, and calls ``deliver`` after it. ``deferred`` are the outcomes of calls that ended
    meanwhile.
    """

    __slots__ = ("_history", "_host", "core", "deferred", "is_busy", "lock")

    def __init__(self, core: CircuitCore, host: Host) -> None:
        self.core: CircuitCore = core
        self._host = host
        self.lock: threading.RLock = threading.RLock()
        self.is_busy: bool = False
        self.deferred: deque[tuple[Ticket, Outcome, dict[str, Any]]] = deque()
        self._history: deque[StateChange] | None = None  # most circuits never change

    @contextmanager
    def hold(self, circuit: Circuit) -> Iterator[CircuitCore]:
        """Hold the lock for a reading or a change; afterwards deliver what came of it."""
        core = self.core
        with self.lock:
            before, self.is_busy = self.is_busy, True
            try:
                yield core
            finally:
                try:
                    core.publish()
                finally:  # a signal's handler may raise anywhere
                    self.is_busy = before
        if not before:
            self.deliver(circuit)

    @contextmanager
    def change(self, circuit: Circuit) -> Iterator[tuple[CircuitCore, float]]:
        """Hold the lock for a change, and yield the time; an expired override ends before it."""
        now = self._host.clock()
        with self.hold(circuit) as core:
            core.lift(now)
            yield core, now

    def defer(self, ticket: Ticket, outcome: Outcome, **about: Any) -> None:
        """Leave a call that ended amid a change to the end of that; ``about`` is for ``settle``."""
        self.deferred.append((ticket, outcome, about))

    def deliver(self, circuit: Circuit) -> None:
        """Do, outside of the lock, what had to wait for the end of a change.

        A finalizer can run in the very moment between the taking of the lock and ``is_busy``. It
        finds the lock its own thread's, and leaves what it has done to whoever took the lock.
        """
        outbox = self.core.outbox
        while not self.lock._is_owned():  # type: ignore[attr-defined] # noqa: SLF001 - as Condition
            if outbox.needs_sync:
                outbox.needs_sync = False
                self._host.fleet.touched(circuit)
            elif outbox.has_changed:
                outbox.has_changed = False
                with self.lock:
                    self._record()
                self._host.fleet.changed(circuit)
                self._host.changes.deliver()
            elif not self.deferred or not self._settle_deferred():
                return

    def history(self) -> tuple[StateChange, ...]:
        """Return the last changes, oldest first; needs the lock."""
        self._record()
        return tuple(self._history or ())

    def after_fork(self) -> None:
        """Start over in a child process: a lock may have been held by a thread left behind."""
        self.lock = threading.RLock()
        self.is_busy = False
        self.deferred.clear()  # calls of the parent
        self.core.after_fork()

    def _settle_deferred(self) -> bool:
        """Settle the first call that was deferred; False: that is another thread's to do."""
        with self.lock:
            if self.is_busy or not self.deferred:
                return False
            ticket, outcome, about = self.deferred.popleft()
            self.is_busy = True
            try:
                self.core.settle(ticket, outcome, self._host.clock(), **about)
            except BaseException:
                self.core.publish()
                raise
            finally:
                self.is_busy = False
        return True

    def _record(self) -> None:
        """Queue what is in the outbox for the history, the log and listeners; needs the lock."""
        outbox, instance = self.core.outbox, self.core.membership.sharing.peers.instance
        changes, outbox.changes = outbox.changes, []
        for change in changes:
            stamped = StateChange(  # written out: `replace` takes three times as long
                change.key,
                change.old,
                change.new,
                change.cause,
                change.generation,
                change.evidence,
                change.instance or instance,
                time.time(),
            )
            if self._history is None:
                self._history = deque(maxlen=self.core.config.history_size)
            self._history.append(stamped)
            is_received = change.instance not in {"", instance}
            self._host.changes.put(stamped, is_received=is_received)
