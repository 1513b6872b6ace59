"""A machine under its lock: what is asked of a circuit without running a call."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from fastapi_hybrid_breaker.core.evidence import NO_EVIDENCE
from fastapi_hybrid_breaker.core.states import Cause, CircuitState, CircuitStats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.machine import Machine
    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import Override
    from fastapi_hybrid_breaker.core.probe import Ticket
    from fastapi_hybrid_breaker.core.states import Outcome, StateChange
    from fastapi_hybrid_breaker.throttled_log import ThrottledLog

    from .circuit_object import Circuit
    from .hub import CallObserver, Hub


class LockedMachine:
    """The part of a circuit that shows it, and changes it from outside of calls.

    The lock is re-entrant: under it the collector of garbage may finalize a generator that holds
    a permit of this very circuit, and so come back to it in the middle of a change. What is
    settled there is deferred until the change is done.

    Changes are put into the hub's queue under the lock, in their order, and delivered outside of
    it: no listener is called under the lock.
    """

    __slots__ = (
        "_busy",
        "_deferred",
        "_effective",
        "_faults",
        "_has_changed",
        "_history",
        "_hub",
        "_lock",
        "clock",
        "heard",
        "key",
        "machine",
        "observer",
        "rejected",
        "shadowed",
        "used",
    )

    def __init__(self, machine: Machine, hub: Hub) -> None:
        self.machine = machine
        self.key = machine.key
        """The name by which the whole fleet knows the circuit."""
        self._hub = hub
        self.clock = hub.clock  # monotonic seconds; at hand, for it is read often
        self._lock = threading.RLock()
        self._busy = False  # this thread, which holds the lock, is in the middle of something
        self._deferred: deque[tuple[Ticket, Outcome, dict[str, Any]]] = deque()
        self._effective = CircuitState.CLOSED  # what listeners know
        self._has_changed = False  # so that the fleet and the listeners are to be told
        self._history: deque[StateChange] | None = None  # most circuits never change
        self._faults: dict[str, ThrottledLog] | None = None  # of the user's functions, by name
        self.observer: CallObserver | None = None
        # Counted without the lock: exact with the GIL, approximate without.
        self.rejected = 0
        self.shadowed = 0  # let through in shadow mode
        self.used = 0  # number of its last look-up, see registry.py; 0: only heard of
        self.heard = False  # made for the fleet's news alone: its configuration is a guess

    def __repr__(self) -> str:
        return f"<Circuit {self.key!r} {self.state}>"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock for a reading or a change; afterwards do what has to wait for its end."""
        with self._lock:
            before, self._busy = self._busy, True
            try:
                yield
            finally:
                self._busy = before
        if not before:
            self._leave()

    @contextmanager
    def _changing(self) -> Iterator[float]:
        """Hold the lock for a change, and yield the time; an expired override ends before it."""
        with self._locked():
            now = self.clock()
            self._post(self.machine.lift(now), now)
            yield now

    def _leave(self) -> None:
        """Do, outside of the lock, what had to wait for the end of a change."""
        while True:
            if self.machine.stirred:
                self.machine.stirred = False
                self._hub.stirred(cast("Circuit", self))
            if self._has_changed:
                self._has_changed = False
                self._hub.changed(cast("Circuit", self))
                self._hub.changes.deliver()
            if not self._deferred or not self._settle_deferred():
                return

    def _settle_deferred(self) -> bool:
        """Settle the first call that was deferred; False: that is another thread's to do."""
        with self._lock:
            if self._busy or not self._deferred:
                return False
            ticket, outcome, about = self._deferred.popleft()
            self._busy = True
            try:
                now = self.clock()
                self._post(self.machine.settle(ticket, outcome, now, **about), now)
            finally:
                self._busy = False
        return True

    def _post(self, change: StateChange | None, now: float) -> None:
        """Queue a change for the history, the log and listeners. Needs the lock.

        They are told of effective states, each change beginning where the last one ended: what
        happens below a manual override changes nothing for callers, and is told when that ends.
        """
        if change is None:
            return
        self._has_changed = True
        is_override = change.cause in {Cause.OVERRIDE, Cause.OVERRIDE_ENDED}
        effective = self.machine.in_force(now)
        if not is_override:
            if self.machine.fixed_state(now) is not None:
                return
            if change.old is not self._effective and change.old is not effective:
                # The circuit was in that state meanwhile, for too short a time to be told of it.
                meanwhile = replace(change, new=change.old, evidence=NO_EVIDENCE)
                self._announce(meanwhile)
            elif effective is self._effective:
                return
        self._announce(replace(change, new=effective))

    def _announce(self, change: StateChange) -> None:
        instance = change.instance or self._hub.instance
        change = replace(change, old=self._effective, time=time.time(), instance=instance)
        self._effective = change.new
        if self._history is None:
            self._history = deque(maxlen=self.config.history_size)
        self._history.append(change)
        self._hub.changes.put(change)

    # -- looking: changes nothing -----------------------------------------------------------

    @property
    def config(self) -> CircuitConfig:
        """How it decides."""
        return self.machine.config

    @property
    def state(self) -> CircuitState:
        """The state in force, an override's or its own; OPEN until a call after the open time."""
        machine = self.machine
        return machine.state if machine.override is None else machine.in_force(self.clock())

    def retry_after(self) -> float:
        """Give the seconds until a call may be admitted; 0.0: one may be now."""
        return self.machine.retry_after(self.clock())

    def is_ready_to_probe(self) -> bool:
        """Whether it waits for a call, which will be a probe; see ``CircuitStats``."""
        return self.machine.is_ready_to_probe(self.clock())

    def stats(self) -> CircuitStats:
        """Give the figures of this moment."""
        machine = self.machine
        now = self.clock()
        with self._locked():
            override = machine.override
            if override is not None and override.is_over(now):
                override = None
            state = machine.in_force(now)
            retry_after = machine.retry_after(now)
            is_fixed = machine.fixed_state(now) is not None
            is_foreseen = not is_fixed or (override is not None and override.deadline is not None)
            is_open = state is CircuitState.OPEN and is_foreseen
            # Of an opening it stays the same, also once it is over.
            wait = retry_after if is_fixed else machine.deadline - now
            rates = machine.shown.rates(now)
            return CircuitStats(
                state=state,
                failures=machine.failures_at(now),
                successes=machine.successes,
                next_attempt=time.time() + wait if is_open else None,
                retry_after=retry_after,
                rejected=self.rejected,
                version=machine.version,
                calls=rates.calls,
                failure_rate=rates.failed,
                slow_rate=rates.slow,
                reopenings=machine.reopenings,
                shadowed=self.shadowed,
                shadowed_failures=machine.shadowed_failures,
                mode=machine.mode_at(now),
                override=None if override is None else override.view(now),
                alone=machine.alone,
                ready_to_probe=machine.is_ready_to_probe(now),
            )

    def history(self) -> tuple[StateChange, ...]:
        """Give the last changes, oldest first; ``history_size`` of them at most."""
        with self._locked():
            return tuple(self._history or ())

    # -- changes from outside of calls --------------------------------------------------------

    def reset_here(self, *, by: str = "", reason: str = "", ramp: bool = False) -> Proposal:
        """Close the circuit in this process; returns what to send to the fleet."""
        with self._changing() as now:
            self._post(self.machine.reset(now, by=by, reason=reason, ramp=ramp), now)
            return self.machine.describe(now)

    def open_here(self, seconds: float) -> None:
        """Open the circuit in this process only, for so long; see ``testing.open_circuit``."""
        with self._changing() as now:
            self._post(self.machine.open_for(seconds, now), now)

    def put_here(self, override: Override | None, by: str, reason: str = "") -> None:
        """Set or clear the override in this process."""
        with self._changing() as now:
            self._post(self.machine.put(override, by, now, reason), now)

    def lift(self) -> None:
        """End the override if it has expired."""
        with self._changing():
            pass

    # -- for the web parts, telemetry and the registry ------------------------------------------

    def watch(self) -> None:
        """Have the circuit report its outcomes to enclosing requests: a route guards it."""
        if not self.machine.watched:
            with self._locked():
                self.machine.watch()

    def observe(self, observer: CallObserver | None, *, measured: bool) -> None:
        """Report the circuit's calls to ``observer`` from now on; None: to nobody.

        Args:
            observer: replaces the one before; calls that run now may end observed without having
                begun so.
            measured: it wants to hear of each call, and how long it took; else of rejections, and
                of those calls only that change something.
        """
        with self._locked():
            self.observer = observer
            self.machine.measure(measured)

    def configure(self, config: CircuitConfig) -> None:
        """Take the configuration of the code that uses it, where the one so far was a guess."""
        with self._locked():
            self.machine.configure(config)
            self.heard = False

    def after_fork(self) -> None:
        """Start over in a child process: a lock may have been held by a thread left behind."""
        self._lock = threading.RLock()
        self._busy = False
        self._deferred.clear()  # calls of the parent
        self.machine.after_fork()
