"""CLOSED, OPEN, HALF_OPEN and back: the states of one circuit in one process.

Pure: time comes in as an argument, nothing is awaited. Not safe from threads by itself: its owner
holds a lock around every method. Four slots may be read without it, because a stale value costs
nothing but a second look under the lock: ``free_permit`` (the permit of a call that is admitted
without a question, or None), ``reject_until`` (when the circuit stops rejecting everything,
monotonic seconds), ``moved_by_success`` (whether a success changes anything) and
``counts_successes`` (whether it does, or a request has to know of it).
"""

from __future__ import annotations

import random as chance
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from .evidence import Evidence, describe_error
from .meter import Meter
from .opening import is_again, open_seconds
from .outcomes import Classifier
from .ramp import Ramp
from .rules import SlowCallRate
from .states import CLOSED, HALF_OPEN, OPEN, Cause, StateChange
from .surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig, Mode
    from .meter import Book
    from .override import Override
    from .probe import Probe
    from .rules import Rule
    from .run import Run
    from .states import CircuitState

AFTER_PROBES: Final[frozenset[str]] = frozenset({Cause.PROBE_FAILED, Cause.HALF_OPEN_EXPIRED})
"""Why a circuit opens that was HALF_OPEN."""

REOPENED_WITHIN: Final = 3600.0
"""Seconds within which a circuit must have opened again twice to be told to keep failing."""

_NEVER: Final = float("-inf")

RETRY_WHILE_PROBING = 1.0
"""Seconds a caller is told to wait while probes run: nobody knows when those end."""

NEVER: Final = float("-inf")

_serial = count(1)


class Cycle:
    """State, counts and probes of one circuit.

    ``generation`` rises with every change of state in this process; ``sequence`` with every
    counted failure as well, and is the ticket of calls while CLOSED. ``unshared`` says that a
    change has happened that others should hear of, ``timed`` that durations count, ``shadow``
    that calls are only told to have been rejected, ``measured`` that somebody outside of the
    circuit wants to hear of every call and how long it took. ``shown`` has the figures to show:
    those that rules look at, or in shadow mode all calls in every state.
    """

    __slots__ = (
        "changed_at",
        "classifier",
        "config",
        "counts_successes",
        "deadline",
        "evidence",
        "failures",
        "first",
        "free_permit",
        "generation",
        "key",
        "measured",
        "meter",
        "moved_by_success",
        "noting",
        "override",
        "probes",
        "ramp",
        "ramp_from",
        "random",
        "recovered_at",
        "reject_until",
        "reopened_at",
        "reopenings",
        "run",
        "sequence",
        "serial",
        "shadow",
        "shadowed_failures",
        "shown",
        "state",
        "successes",
        "surroundings",
        "timed",
        "unshared",
        "watched",
    )

    def __init__(
        self,
        key: str,
        config: CircuitConfig,
        random: Callable[[], float] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.key = key
        self.random = random or chance.random
        self.surroundings = surroundings or Surroundings()
        self.serial = next(_serial)
        self.state = CLOSED
        self.generation = 0
        self.sequence = 0
        self.timed = False
        self.first = 0  # the sequence at which the present generation began
        self.override: Override | None = None  # a manual one, above all that is decided here
        self.noting = False  # successes matter for the fleet's run
        self.watched = False  # a route guards this circuit, and must hear of verdicts
        self.measured = False
        self.failures = 0
        self.run: Run | None = None  # what ``failures`` counts while CLOSED, where there are any
        self.successes = 0
        self.deadline = 0.0
        self.changed_at = 0.0
        self.recovered_at: float | None = None
        self.reopenings = 0
        self.ramp_from: float | None = None  # when calls were let back, whether by a ramp or not
        # The last two failed recoveries without a successful probe, or a recovery, between them.
        self.reopened_at = (_NEVER, _NEVER)
        self.ramp: Ramp | None = None
        self.probes: list[Probe] | None = None  # those that hold a place, while HALF_OPEN
        self.evidence: Evidence | None = None  # of the present state
        self.unshared = False
        self.shadowed_failures = 0  # calls that failed, of those that only shadow mode let through
        self.configure(config)

    def configure(self, config: CircuitConfig) -> None:
        """Decide by ``config`` from now on, with empty windows."""
        self.config = config
        self.classifier = Classifier(config)
        self.meter = Meter(config.rules, self.surroundings)
        self.choose_mode()
        self.measure(self.measured)

    def mode(self) -> Mode:
        """Return the mode that an override sets, else the configured one."""
        return (self.override and self.override.kind.mode) or self.config.mode

    def choose_mode(self) -> None:
        """Decide by ``mode()`` from now on."""
        self.shadow = self.mode() == "shadow"
        self.shown = Meter(self.config.rules) if self.shadow else self.meter
        self.let_back(self.ramp_from)

    def refresh(self) -> None:
        """Publish what calls read without the lock: the only place that writes these slots."""
        is_own = self.override is None
        if self.state is CLOSED:
            is_free = is_own and self.ramp is None and not self.timed
            is_free = is_free and not self.surroundings.awaits_start
            self.free_permit: int | None = self.sequence if is_free else None
            self.reject_until = NEVER
            self.moved_by_success = (
                self.failures > 0
                or self.noting
                or self.measured
                or self.ramp is not None
                or bool(self.meter.books)
                or self.config.failure_result is not None
            )
            self.counts_successes = self.moved_by_success or self.watched
        else:
            is_rejecting = self.state is OPEN and is_own and not self.shadow
            self.free_permit = None
            self.reject_until = self.deadline if is_rejecting else NEVER
            self.moved_by_success = self.counts_successes = True

    # -- from outside ----------------------------------------------------------------------

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0.0 when one may be now."""
        if self.state is OPEN:
            return max(0.0, self.deadline - now)
        if self.state is HALF_OPEN:
            running = sum(1 for probe in self.probes or () if now < probe.deadline)
            return RETRY_WHILE_PROBING if running >= self.config.probe_places else 0.0
        return 0.0

    def failures_at(self, now: float) -> int:
        """Return ``failures`` without those that have left the run by ``now``."""
        return self.failures if self.run is None else self.run.count(now)

    def keeps_failing(self, now: float) -> bool:
        """Whether two recoveries have failed within the last hour, without a success between."""
        return now - self.reopened_at[0] <= REOPENED_WITHIN

    def reset(
        self, now: float, *, by: str = "", reason: str = "", ramp: bool = False
    ) -> StateChange | None:
        """Back to CLOSED with empty counts; what runs now counts no more.

        ``ramp``: calls come back in shares, as after a recovery.
        """
        evidence = replace(self._evidence(Cause.RESET), by=by, reason=reason)
        change = self._move(CLOSED, Cause.RESET, now, evidence)
        self.recovered_at, self.reopenings = None, 0
        self.let_back(now if ramp else None)
        self.shown.clear()
        self.unshared = False  # the fleet hears of the reset itself, whatever came before
        return change

    def open_for(self, seconds: float, now: float) -> StateChange | None:
        """Open here, whatever was counted; the fleet is not told."""
        change = self._move(OPEN, Cause.FAILURES, now)
        self.stay_open_until(now + seconds)
        self.unshared = False
        return change

    def stay_open_until(self, deadline: float) -> None:
        """Set when the present or next opening is over, monotonic seconds."""
        self.deadline = deadline
        self.refresh()

    def watch(self) -> None:
        """Have every success settled in full from now on."""
        self.watched = True
        self.refresh()

    def measure(self, wanted: bool) -> None:  # noqa: FBT001 - said by its name
        """Have every call timed and settled in full from now on, or only as the rules need."""
        self.measured = wanted
        self.timed = wanted or self.meter.slow is not None
        self.refresh()

    def after_fork(self) -> None:
        """Forget the permits: their calls run in the parent.

        Another thread may have been in the middle of a change, which then ends here.
        """
        self.probes = [] if self.state is HALF_OPEN else None
        self._forget_counts()
        self.shown.clear()
        self.refresh()

    @staticmethod
    def cause_of(rule: Rule) -> Cause:
        """Give what an opening by ``rule`` is called."""
        return Cause.SLOW_CALLS if isinstance(rule, SlowCallRate) else Cause.FAILURES

    # -- parts ------------------------------------------------------------------------------

    def _trip(self, rule: Rule, book: Book | None, now: float, error: object) -> StateChange | None:
        cause = self.cause_of(rule)
        evidence = self._evidence(cause, rule=str(rule), book=book, error=error)
        return self._open(cause, now, evidence, self._asked(book, now))

    def _asked(self, book: Book | None, now: float) -> float | None:
        """Return the longest pause asked for in a rule's window, or in the run (None)."""
        if book is not None:
            return book.asked(now)
        return None if self.run is None else self.run.asked()

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
        failures, old = self.failures, self.state
        change = self._move(OPEN, cause, now, evidence)
        self.failures = failures  # kept to be shown
        seconds = open_seconds(self.config, self.reopenings, asked, self.random)
        self.stay_open_until(now + seconds)
        self._offer(old)
        return change

    def let_back(self, since: float | None) -> None:
        """Let calls back in shares since then, where the configuration says so; None: all."""
        self.ramp_from = since
        is_in_shares = self.config.ramp_seconds is not None and not self.shadow
        self.ramp = None if since is None or not is_in_shares else Ramp(self.config, since)
        self.refresh()

    def _offer(self, old: CircuitState) -> None:  # noqa: ARG002 - what it means is the fleet's matter
        """Have the fleet hear of a change; a circuit that is only tried out keeps it to itself."""
        self.unshared = not self.shadow

    def _evidence(
        self, cause: Cause, *, rule: str = "", book: Book | None = None, error: object = None
    ) -> Evidence:
        evidence = Evidence(
            cause=cause,
            rule=rule,
            failures=self.failures,
            successes=self.successes,
            error=describe_error(error, self.config.describe_error),
        )
        return evidence if book is None else book.add_to(evidence)

    def _move(
        self, new: CircuitState, cause: Cause, now: float, evidence: Evidence | None = None
    ) -> StateChange | None:
        """Begin a new generation in state ``new``; None where the state stays the same."""
        old, self.state = self.state, new
        self.evidence = evidence or self._evidence(cause)
        self._note_reopening(old, now, self.evidence)
        self.generation += 1
        self.sequence += 1
        self.first = self.sequence
        if new is not HALF_OPEN:  # while probing it is still shown why the circuit opened
            self.failures = 0
        self.run = None
        self.successes = 0
        self.probes = [] if new is HALF_OPEN else None
        self.ramp_from = self.ramp = None
        self.changed_at = now
        self._forget_counts()
        self.refresh()
        if old is new:
            return None
        return StateChange(self.key, old, new, cause, self.generation, self.evidence)

    def _note_reopening(self, old: CircuitState, now: float, evidence: Evidence) -> None:
        if self.state is CLOSED:
            self.reopened_at = (_NEVER, _NEVER)
        # While an opening runs, another of the kind tells of the same failed recovery.
        elif (
            self.state is OPEN
            and evidence.cause in AFTER_PROBES
            and (old is HALF_OPEN or now >= self.deadline)
        ):
            self.reopened_at = (_NEVER if evidence.successes else self.reopened_at[1], now)

    def _forget_counts(self) -> None:
        """Begin with empty windows."""
        self.meter.clear()
