"""CLOSED, OPEN, HALF_OPEN and back: what the calls of one process make of one circuit.

Pure: time comes in as an argument, nothing is awaited. Not safe from threads by itself: its owner
holds a lock around every method. Three slots may be read without it, because a stale value costs
nothing but a second look under the lock: ``ticket`` (admit at once?), ``timed_ticket`` (the same,
where the call is to be timed) and ``attentive`` (does a success change anything?).
"""

from __future__ import annotations

import random as chance
from itertools import count
from typing import TYPE_CHECKING

from .evidence import Evidence, describe_error
from .meter import Meter
from .opening import is_again, open_seconds
from .probe import Probe, Ticket
from .ramp import Ramp
from .rules import ConsecutiveFailures, SlowCallRate
from .states import Cause, CircuitState, Outcome, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .meter import Book
    from .rules import Rule

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN

RETRY_WHILE_PROBING = 1.0
"""Seconds a caller is told to wait while probes run: nobody knows when those end."""

_serial = count(1)


class Cycle:
    """State, counts and probes of one circuit.

    ``generation`` rises with every change of state in this process; ``sequence`` with every
    counted failure as well, and is the ticket of calls while CLOSED. ``unshared`` says that a
    change has happened that others should hear of, ``timed`` that durations count, ``shadow``
    that calls are only told to have been rejected.
    """

    __slots__ = (
        "attentive",
        "changed_at",
        "config",
        "deadline",
        "evidence",
        "failures",
        "first",
        "generation",
        "key",
        "meter",
        "probes",
        "ramp",
        "random",
        "recovered_at",
        "reopenings",
        "sequence",
        "serial",
        "shadow",
        "state",
        "successes",
        "ticket",
        "timed",
        "timed_ticket",
        "unshared",
        "watched",
    )

    def __init__(
        self, key: str, config: CircuitConfig, random: Callable[[], float] = chance.random
    ) -> None:
        self.key = key
        self.random = random
        self.serial = next(_serial)
        self.state = CLOSED
        self.generation = 0
        self.sequence = 0
        self.first = 0  # the sequence at which the present generation began
        self.watched = False  # a route guards this circuit, and must hear of verdicts
        self.failures = 0
        self.successes = 0
        self.deadline = 0.0
        self.changed_at = 0.0
        self.recovered_at: float | None = None
        self.reopenings = 0
        self.ramp: Ramp | None = None
        self.probes: list[Probe] | None = None
        self.evidence: Evidence | None = None  # of the present state
        self.unshared = False
        self.configure(config)

    def configure(self, config: CircuitConfig) -> None:
        """Decide by ``config`` from now on, with empty windows."""
        self.config = config
        self.meter = Meter(config.rules)
        self.timed = self.meter.slow is not None
        self.shadow = config.mode == "shadow"
        self.refresh()

    def refresh(self) -> None:
        """Work out again what may be read without the lock."""
        ticket = self.sequence if self.admits_all() else None
        self.ticket: int | None = None if self.timed else ticket
        self.timed_ticket: int | None = ticket if self.timed else None
        self.attentive = self.failures > 0 or self.state is not CLOSED or self.counts_successes()

    def admits_all(self) -> bool:
        """Tell whether calls are admitted without a question."""
        return self.state is CLOSED and self.ramp is None

    def counts_successes(self) -> bool:
        """Tell whether each success matters, and not only that which ends a run of failures."""
        return self.watched or bool(self.meter.books) or self.config.failure_result is not None

    # -- guarded calls ----------------------------------------------------------------------

    def admit(self, now: float) -> tuple[Ticket | None, StateChange | None]:
        """Give a ticket, or None: rejected. The open time ends here, with the first call after."""
        if self.state is CLOSED:
            return self._admit_some(now), None
        change = None
        if self.state is OPEN:
            if now < self.deadline:
                return None, None
            change = self._move(HALF_OPEN, Cause.TIMEOUT, now)
            self._offer()
        else:
            change = self._end_overdue(now)
            if self.state is CLOSED:
                return self.admit(now)[0], change
            if now - self.changed_at >= (self.config.half_open_maximum or float("inf")):
                return None, self._open(Cause.HALF_OPEN_EXPIRED, now)
        probe = Probe(self, now)
        if self.probes is None:
            self.probes = []
        if len(self.probes) >= self.config.probe_places:
            return None, change
        self.probes.append(probe)
        return probe, change

    def settle(
        self,
        ticket: Ticket,
        outcome: Outcome,
        now: float,
        *,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> StateChange | None:
        """Take the one outcome of an admitted call; what comes late changes nothing.

        Nor does what comes twice for a probe. A number is one for all calls of a moment: whoever
        holds it sees to it that a call is settled once.

        Args:
            ticket: what ``admit`` gave.
            outcome: what the call says of its dependency.
            now: monotonic seconds.
            seconds: how long it took; None: not measured.
            error: an exception or a text, to explain an opening; not kept.
            asked: the open time that the dependency asks for, in seconds, or None.
        """
        if isinstance(ticket, Probe):
            return self._settle_probe(ticket, outcome, now, seconds, error, asked)
        if self.state is not CLOSED or ticket < self.first:
            return None
        if outcome is Outcome.SUCCESS:
            self.failures = 0
            self.attentive = self.counts_successes()
        elif outcome is Outcome.FAILURE:
            self._count_failure()
        fired = self.meter.add(now, outcome, seconds) if self.meter.books else None
        if outcome is Outcome.FAILURE and 0 < self.meter.run <= self.failures:
            return self._trip(ConsecutiveFailures(self.meter.run), None, now, error, asked)
        if fired is not None:
            book, rule = fired
            return self._trip(rule, book, now, error, asked)
        return None

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0.0 when one may be now."""
        if self.state is OPEN:
            return max(0.0, self.deadline - now)
        if self.state is HALF_OPEN:
            running = sum(1 for probe in self.probes or () if now < probe.deadline)
            return RETRY_WHILE_PROBING if running >= self.config.probe_places else 0.0
        return 0.0

    def reset(self, now: float) -> StateChange | None:
        """Back to CLOSED with empty counts; what runs now counts no more."""
        change = self._move(CLOSED, Cause.RESET, now)
        self.recovered_at, self.reopenings = None, 0
        self.unshared = False  # the fleet hears of the reset itself, whatever came before
        return change

    def open_for(self, seconds: float, now: float) -> StateChange | None:
        """Open here, whatever was counted; the fleet is not told."""
        change = self._move(OPEN, Cause.FAILURES, now)
        self.deadline = now + seconds
        self.unshared = False
        return change

    def watch(self) -> None:
        """Have every success settled in full from now on."""
        self.watched = self.attentive = True

    def after_fork(self) -> None:
        """Forget the permits: their calls run in the parent.

        Another thread may have been in the middle of a change, which then ends here.
        """
        self.probes = None
        self.meter.clear()
        self.refresh()

    # -- parts ------------------------------------------------------------------------------

    def _admit_some(self, now: float) -> int | None:
        if self.ramp is not None:
            if not self.ramp.is_over(now):
                return self.sequence if self.ramp.admits(now) else None
            self.ramp = None
            self.refresh()
        return self.sequence

    def _settle_probe(
        self,
        probe: Probe,
        outcome: Outcome,
        now: float,
        seconds: float | None,
        error: object,
        asked: float | None,
    ) -> StateChange | None:
        if probe.settled:
            return None
        probe.settled = True
        if probe.generation != self.generation:
            return None
        if self.probes and probe in self.probes:  # not so when its deadline passed
            self.probes.remove(probe)
        # A slow probe shows that the dependency is still slow, whatever came of it; closing
        # would only open the circuit again.
        limit = self.meter.slow
        is_slow = limit is not None and seconds is not None and seconds > limit
        if outcome is Outcome.FAILURE or is_slow:
            self._count_failure()
            evidence = self._evidence(
                Cause.PROBE_FAILED,
                rule=f"a probe took over {limit:g} s" if is_slow else "a probe failed",
                error=error,
            )
            return self._open(Cause.PROBE_FAILED, now, evidence, asked)
        return self._count_probe(now) if outcome is Outcome.SUCCESS else None

    def _count_probe(self, now: float) -> StateChange | None:
        """Count a successful probe; enough of them close the circuit."""
        self.successes += 1
        if self.successes < self.config.success_threshold:
            return None
        change = self._move(CLOSED, Cause.PROBES_SUCCEEDED, now)
        self._recover(now)
        self._offer()
        return change

    def _trip(
        self, rule: Rule, book: Book | None, now: float, error: object, asked: float | None
    ) -> StateChange | None:
        cause = Cause.SLOW_CALLS if isinstance(rule, SlowCallRate) else Cause.FAILURES
        evidence = self._evidence(cause, rule=str(rule), book=book, error=error)
        return self._open(cause, now, evidence, asked)

    def _open(
        self,
        cause: Cause,
        now: float,
        evidence: Evidence | None = None,
        asked: float | None = None,
    ) -> StateChange | None:
        recovered_for = None if self.recovered_at is None else now - self.recovered_at
        again = self.state is HALF_OPEN or is_again(self.config, recovered_for)
        self.reopenings = self.reopenings + 1 if again else 0
        failures = self.failures
        change = self._move(OPEN, cause, now, evidence)
        self.failures = failures  # kept to be shown
        self.deadline = now + open_seconds(self.config, self.reopenings, asked, self.random)
        self._offer()
        return change

    def _recover(self, now: float) -> None:
        """Note a recovery that has just closed the circuit."""
        self.recovered_at = now
        if self.config.ramp_seconds is not None and not self.shadow:
            self.ramp = Ramp(self.config, now)
            self.refresh()

    def _offer(self) -> None:
        """Have the fleet hear of a change; a circuit that is only tried out keeps it to itself."""
        self.unshared = not self.shadow

    def _end_overdue(self, now: float) -> StateChange | None:
        """Take the places of probes past their deadline.

        One that goes well, a stream that somebody reads for hours, has shown what it was to show.
        """
        overdue = [probe for probe in self.probes or () if now >= probe.deadline]
        for probe in overdue:
            if self.probes is not None:
                self.probes.remove(probe)
            if probe.witness is not None and probe.is_running() and probe.witness.seems_well():
                probe.settled = True
                change = self._count_probe(now)
                if change is not None:
                    return change
        return None

    def _count_failure(self) -> None:
        self.failures += 1
        self.sequence += 1
        if self.ticket is not None:
            self.ticket = self.sequence
        elif self.timed_ticket is not None:
            self.timed_ticket = self.sequence
        self.attentive = True

    def _evidence(
        self, cause: Cause, *, rule: str = "", book: Book | None = None, error: object = None
    ) -> Evidence:
        evidence = Evidence(
            cause=cause,
            rule=rule,
            failures=self.failures,
            successes=self.successes,
            error=describe_error(error),
        )
        return evidence if book is None else book.add_to(evidence)

    def _move(
        self, new: CircuitState, cause: Cause, now: float, evidence: Evidence | None = None
    ) -> StateChange | None:
        """Begin a new generation in state ``new``; None where the state stays the same."""
        old, self.state = self.state, new
        self.evidence = evidence or self._evidence(cause)
        self.generation += 1
        self.sequence += 1
        self.first = self.sequence
        if new is not HALF_OPEN:  # while probing it is still shown why the circuit opened
            self.failures = 0
        self.successes = 0
        self.probes = None
        self.ramp = None
        self.changed_at = now
        self.meter.clear()
        self.refresh()
        if old is new:
            return None
        return StateChange(self.key, old, new, cause, self.generation, self.evidence)
