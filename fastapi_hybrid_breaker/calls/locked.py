"""A machine under its lock: what is asked of a circuit without running a call."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from fastapi_hybrid_breaker.core.states import CircuitState, CircuitStats

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
    from .hub import Hub
    from .observed import CallObserver


class LockedMachine:
    """The part of a circuit that shows it, and changes it from outside of calls.

    The lock is re-entrant: under it the collector of garbage may finalize a generator that holds
    a permit of this very circuit, and so come back to it in the middle of a change. What is
    settled there is put off until the change is done. No listener is called under the lock.

    ``with`` on a lock costs more than all else that a probe needs, for its exit takes three
    arguments. So probes take it by hand, as safe from signals as ``with`` is: ``acquire`` stands
    inside of the ``try``, since a signal's handler may raise as soon as it returns; and where one
    raises while it waits, there is nothing to release, which is no error.
    """

    __slots__ = (
        "_faults",
        "_history",
        "_hub",
        "_inside",
        "_lock",
        "_observer",
        "_postponed",
        "clock",
        "heard",
        "machine",
        "recent",
        "rejections",
        "shadowed",
    )

    def __init__(self, machine: Machine, hub: Hub) -> None:
        self.machine = machine
        self._hub = hub
        self.clock = hub.clock  # monotonic seconds; at hand, for it is read often
        self._lock = threading.RLock()
        self._inside = False  # this thread, which holds the lock, is in the middle of something
        self._postponed: deque[tuple[Ticket, Outcome, dict[str, Any]]] | None = None
        self._history: deque[StateChange] | None = None  # most circuits never change
        self._faults: dict[str, ThrottledLog] | None = None  # of the user's functions, by name
        self._observer: CallObserver | None = None  # see observed.py
        # A float, exact up to 2**53: it comes from a list of free ones, an int is made each time.
        self.rejections = 0.0
        self.shadowed = 0  # let through in shadow mode
        self.recent = False  # looked up again since the registry last made room
        self.heard = False  # made for the fleet's news alone: its configuration is a guess

    def __repr__(self) -> str:
        return f"<Circuit {self.key!r} {self.state}>"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock for a reading or a change; afterwards settle what was put off."""
        with self._lock:
            before, self._inside = self._inside, True
            try:
                yield
            finally:
                self._inside = before
        if not before:
            if self.machine.stirred:
                self._stir()
            if self._postponed:
                self._settle_postponed()

    def _postpone(self, ticket: Ticket, outcome: Outcome, about: dict[str, Any]) -> None:
        """Put off what is settled in the middle of a change."""
        if self._postponed is None:
            self._postponed = deque()
        self._postponed.append((ticket, outcome, about))

    def _settle_postponed(self) -> None:
        """Settle what was put off, in its turn."""
        while self._postponed:
            with self._lock:
                if self._inside or not self._postponed:
                    return
                ticket, outcome, about = self._postponed.popleft()
                self._inside = True
                try:
                    change = self.machine.settle(ticket, outcome, self.clock(), **about)
                finally:
                    self._inside = False
            self._tell(change)
            if self.machine.stirred:
                self._stir()

    # -- looking: changes nothing -----------------------------------------------------------

    @property
    def rejected(self) -> int:
        """How many calls were rejected."""
        return int(self.rejections)

    @property
    def key(self) -> str:
        """The name by which the whole fleet knows the circuit."""
        return self.machine.key

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

    def stats(self) -> CircuitStats:
        """Give the figures of this moment."""
        machine = self.machine
        now = self.clock()
        with self._alone():
            override = machine.override
            if override is not None and override.is_over(now):
                override = None
            state = machine.in_force(now)
            retry_after = machine.retry_after(now)
            is_foreseen = override is None or override.deadline is not None
            is_open = state is CircuitState.OPEN and is_foreseen
            rates = machine.meter.rates(now)
            return CircuitStats(
                state=state,
                failures=machine.failures_at(now),
                successes=machine.successes,
                next_attempt=time.time() + retry_after if is_open else None,
                retry_after=retry_after,
                rejected=self.rejected,
                version=machine.version,
                calls=rates.calls,
                failure_rate=rates.failed,
                slow_rate=rates.slow,
                reopenings=machine.reopenings,
                shadowed=self.shadowed,
                override=None if override is None else override.view(now),
                alone=machine.alone,
            )

    def history(self) -> tuple[StateChange, ...]:
        """Give the last changes, oldest first; ``history_size`` of them at most."""
        with self._alone():
            return tuple(self._history or ())

    # -- changes from outside of calls --------------------------------------------------------

    def reset_here(self, *, by: str = "", reason: str = "") -> Proposal:
        """Close the circuit in this process; the answer is what to tell the fleet."""
        now = self.clock()
        with self._alone():
            change = self.machine.reset(now, by=by, reason=reason)
            proposal = self.machine.describe(now)
        self._tell(change)
        return proposal

    def open_here(self, seconds: float) -> None:
        """Open the circuit in this process only, for so long; see ``testing.open_circuit``."""
        with self._alone():
            change = self.machine.open_for(seconds, self.clock())
        self._tell(change)

    def put_here(self, override: Override | None, by: str, reason: str = "") -> None:
        """Set or clear the override in this process."""
        now = self.clock()
        with self._alone():
            change = self.machine.put(override, by, now, reason)
        self._tell(change)

    def lift(self) -> None:
        """End the override if its time is up."""
        with self._alone():
            change = self.machine.lift(self.clock())
        self._tell(change)

    def _tell(self, change: StateChange | None) -> None:
        if change is None:
            return
        change = replace(change, time=time.time(), instance=change.instance or self._hub.instance)
        with self._alone():
            if self._history is None:
                self._history = deque(maxlen=self.config.history_size)
            self._history.append(change)
        self._hub.changed(cast("Circuit", self), change)

    def _stir(self) -> None:
        """Have the fleet's part look at what has happened here."""
        self.machine.stirred = False
        self._hub.stirred(cast("Circuit", self))

    # -- for the web parts and the registry -------------------------------------------------------

    def watch(self) -> None:
        """Have the circuit tell enclosing requests of its verdicts: a route guards it."""
        if not self.machine.watched:
            with self._alone():
                self.machine.watch()

    def configure(self, config: CircuitConfig) -> None:
        """Take the configuration of the code that uses it, where the one so far was a guess."""
        with self._alone():
            self.machine.configure(config)
            self.heard = False

    def after_fork(self) -> None:
        """Start over in a child process: a lock may have been held by a thread left behind."""
        self._lock = threading.RLock()
        self._inside = False
        self.machine.after_fork()
