"""The state machine of one circuit. Pure: time comes in as an argument, nothing is awaited.

Not safe from threads by itself: its owner holds a lock around every method. Two slots may be
read without it, because a stale value costs nothing but a second look under the lock:
``ticket`` (admit at once?) and ``attentive`` (does a success change anything?).
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from .news import News, Proposal
from .states import Cause, CircuitState, Outcome, StateChange

if TYPE_CHECKING:
    from .config import CircuitConfig

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN

RETRY_WHILE_PROBING = 1.0
"""Seconds a caller is told to wait while probes run: nobody knows when those end."""

_serial = count(1)


class Probe:
    """A permit of a HALF_OPEN circuit: a lease of one of its places."""

    __slots__ = ("admitted", "deadline", "generation", "machine", "settled")

    def __init__(self, machine: Machine, deadline: float) -> None:
        self.machine = machine
        self.generation = machine.generation
        self.admitted = machine.sequence
        self.deadline = deadline
        self.settled = False

    def is_running(self) -> bool:
        """Tell whether its verdict would count: not settled, and of the present generation."""
        return not self.settled and self.generation == self.machine.generation


Ticket = int | Probe
"""The right to run one call: a number while CLOSED (no allocation), a probe while HALF_OPEN.

The number is the machine's ``sequence`` at admission. It rises with each counted failure and
each change of state, so one read of one slot tells all that settling needs: whether the state
that admitted the call still stands, and whether an error was counted since.
"""


class Machine:
    """State, run of failures, probes and fleet version of one circuit.

    ``generation`` rises with every change of state in this process. ``version`` and ``writer``
    name the fleet's state that this one equals or is based on; ``unshared`` says that a change
    of our own has happened on top of it.
    """

    __slots__ = (
        "attentive",
        "changed_at",
        "config",
        "deadline",
        "failures",
        "first",
        "generation",
        "key",
        "probes",
        "sequence",
        "serial",
        "state",
        "successes",
        "ticket",
        "unshared",
        "version",
        "watched",
        "writer",
    )

    def __init__(self, key: str, config: CircuitConfig) -> None:
        self.key = key
        self.config = config
        self.serial = next(_serial)
        self.state = CLOSED
        self.generation = 0
        self.sequence = 0
        self.first = 0  # the sequence at which the present generation began
        self.ticket: int | None = 0
        self.watched = False  # successes are always looked at (a route guards this circuit)
        self.attentive = False
        self.failures = 0
        self.successes = 0
        self.deadline = 0.0
        self.changed_at = 0.0
        self.probes: list[Probe] | None = None
        self.version = 0
        self.writer = ""
        self.unshared = False

    # -- guarded calls ----------------------------------------------------------------------

    def admit(self, now: float) -> tuple[Ticket | None, StateChange | None]:
        """Give a ticket, or None: rejected. The open time ends here, with the first call after."""
        if self.ticket is not None:
            return self.ticket, None
        change = None
        if self.state is OPEN:
            if now < self.deadline:
                return None, None
            change = self._move(HALF_OPEN, Cause.TIMEOUT, now)
            self.unshared = True
        probes = self._probes_in_time(now)
        if len(probes) >= self.config.probe_places:
            return None, change
        probe = Probe(self, now + self.config.probe_timeout)
        probes.append(probe)
        return probe, change

    def settle(self, ticket: Ticket, outcome: Outcome, now: float) -> StateChange | None:
        """Take the one outcome of an admitted call; what comes late changes nothing.

        Nor does what comes twice for a probe. A number is one for all calls of a moment: whoever
        holds it sees to it that a call is settled once.
        """
        if isinstance(ticket, Probe):
            return self._settle_probe(ticket, outcome, now)
        if self.ticket is None or ticket < self.first:
            return None
        if outcome is Outcome.SUCCESS:
            self.failures = 0
            self.attentive = self.watched
        elif outcome is Outcome.FAILURE:
            self._count_failure()
            if self.failures >= self.config.failure_threshold:
                return self._open(Cause.FAILURES, now)
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
        self.unshared = False  # the fleet hears of the reset itself, whatever came before
        return self._move(CLOSED, Cause.RESET, now)

    def open_for(self, seconds: float, now: float) -> StateChange | None:
        """Open here, whatever was counted; the fleet is not told."""
        change = self._move(OPEN, Cause.FAILURES, now)
        self.deadline = now + seconds
        self.unshared = False
        return change

    def watch(self) -> None:
        """Have every success settled in full from now on."""
        self.watched = self.attentive = True

    # -- the fleet --------------------------------------------------------------------------

    def propose(self, now: float) -> Proposal | None:
        """Give the change of our own that the fleet has not seen, or None."""
        return self.describe(now) if self.unshared else None

    def describe(self, now: float) -> Proposal:
        """Give the present state and the version it is based on."""
        return Proposal(
            generation=self.generation,
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            remaining=max(0.0, self.deadline - now) if self.state is OPEN else 0.0,
            version=self.version,
            writer=self.writer,
        )

    def confirm(self, proposal: Proposal, news: News, now: float) -> StateChange | None:
        """Take the fleet's consent: ``proposal`` stands there now as ``news``.

        What this process changed after proposing stays, now based on ``news``. Where other news
        was adopted after proposing, ours is compared with that like anybody's.
        """
        if (self.version, self.writer) != (proposal.version, proposal.writer):
            return self.adopt(news, now)
        self.version, self.writer = news.version, news.writer
        if self.generation == proposal.generation:
            self.unshared = False
        return None

    def adopt(self, news: News, now: float) -> StateChange | None:
        """Take over the fleet's state, if it is newer than what this process knows.

        A change of our own that the fleet has not seen loses: the first writer wins. Calls that
        run now were admitted by another state and count no more, with one exception: probes go
        on when HALF_OPEN meets HALF_OPEN, two instances having ended the open time at once.
        """
        if not news.is_newer_than(self.version, self.writer):
            return None
        self.version, self.writer, self.unshared = news.version, news.writer, False
        if news.state is HALF_OPEN and self.state is HALF_OPEN:
            return None
        change = self._move(news.state, Cause.FLEET, now)
        if news.state is not CLOSED:
            self.failures = news.failures
        if news.state is OPEN:
            self.deadline = now + news.remaining
        return change

    def after_fork(self) -> None:
        """Forget the permits: their calls run in the parent.

        Another thread may have been in the middle of a change, which then ends here.
        """
        self.probes = None
        self.ticket = self.sequence if self.state is CLOSED else None
        self.attentive = self.watched or self.failures > 0 or self.state is not CLOSED

    # -- parts ------------------------------------------------------------------------------

    def _settle_probe(self, probe: Probe, outcome: Outcome, now: float) -> StateChange | None:
        if probe.settled:
            return None
        probe.settled = True
        if probe.generation != self.generation:
            return None
        if self.probes and probe in self.probes:  # not so when its deadline passed
            self.probes.remove(probe)
        if outcome is Outcome.FAILURE:
            self._count_failure()
            return self._open(Cause.PROBE_FAILED, now)
        if outcome is Outcome.SUCCESS:
            self.successes += 1
            if self.successes >= self.config.success_threshold:
                change = self._move(CLOSED, Cause.PROBES_SUCCEEDED, now)
                self.unshared = True
                return change
        return None

    def _probes_in_time(self, now: float) -> list[Probe]:
        """Give the probes that hold a place; one past its deadline has lost it."""
        self.probes = [probe for probe in self.probes or () if now < probe.deadline]
        return self.probes

    def _count_failure(self) -> None:
        self.failures += 1
        self.sequence += 1
        if self.ticket is not None:
            self.ticket = self.sequence
        self.attentive = True

    def _open(self, cause: Cause, now: float) -> StateChange | None:
        failures = self.failures
        change = self._move(OPEN, cause, now)
        self.failures = failures  # kept to be shown
        self.deadline = now + self.config.recovery_timeout
        self.unshared = True
        return change

    def _move(self, new: CircuitState, cause: Cause, now: float) -> StateChange | None:
        """Begin a new generation in state ``new``; None where the state stays the same."""
        old, self.state = self.state, new
        self.generation += 1
        self.sequence += 1
        self.first = self.sequence
        self.ticket = self.sequence if new is CLOSED else None
        self.attentive = self.watched or new is not CLOSED
        if new is not HALF_OPEN:  # while probing it is still shown why the circuit opened
            self.failures = 0
        self.successes = 0
        self.probes = None
        self.changed_at = now
        if old is new:
            return None
        return StateChange(self.key, old, new, cause, self.generation)


class OverflowMachine(Machine):
    """The machine of the circuit that surplus keys share: it never rejects."""

    __slots__ = ()

    def settle(
        self,
        ticket: Ticket,  # noqa: ARG002 - as in Machine
        outcome: Outcome,  # noqa: ARG002
        now: float,  # noqa: ARG002
    ) -> StateChange | None:
        """Count nothing: strangers' failures must not meet in one run."""
        return None
