"""CLOSED, OPEN, HALF_OPEN and back: the states of one circuit in one process.

Pure: time comes in as an argument, nothing is awaited. Its owner holds a lock around every method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .error_text import describe_error
from .evidence import Evidence
from .states import CLOSED, FAILURE, HALF_OPEN, OPEN, SUCCESS, Cause
from .statistics import Run

if TYPE_CHECKING:
    from .outbox import Outbox
    from .probe import Probe, Ticket
    from .probes import ProbeSlots
    from .recovery import Recovery
    from .rule_window import RuleWindow
    from .rules import Rule
    from .states import CircuitState, Outcome
    from .statistics import Statistics

QUIET_AFTER: Final = 5.0
"""Seconds without a call after which nobody is taken to wait for a probe any more."""


class StateMachine:
    """The state of one circuit, what it counts, and its probes.

    ``generation`` rises with every change of state in this process; ``sequence`` with every
    counted failure as well. While CLOSED the sequence number itself is the permit: no allocation.
    ``first`` is the sequence number at which the present generation began. ``failures`` is the
    run of failures, or while not CLOSED the one that opened the circuit.
    """

    __slots__ = (
        "changed_at",
        "evidence",
        "failures",
        "first",
        "generation",
        "open_until",
        "outbox",
        "probes",
        "recovery",
        "sequence",
        "state",
        "statistics",
    )

    def __init__(
        self, statistics: Statistics, recovery: Recovery, probes: ProbeSlots, outbox: Outbox
    ) -> None:
        self.statistics: Statistics = statistics
        self.recovery: Recovery = recovery
        self.probes: ProbeSlots = probes
        self.outbox: Outbox = outbox
        self.state: CircuitState = CLOSED
        self.generation: int = 0
        self.sequence: int = 0
        self.first: int = 0
        self.failures: int = 0
        self.open_until: float = 0.0
        self.changed_at: float = 0.0
        self.evidence: Evidence | None = None  # of the present state

    # -- calls ----------------------------------------------------------------------------------

    def admit(self, now: float, kind: object) -> Ticket | None:
        """Return a permit, or None: rejected. The first call after the recovery timeout ends OPEN.

        ``kind``: what the caller knows the call by, or ``ROUTE``; see ``standoff``.
        """
        state, probes = self.state, self.probes
        if state is CLOSED:
            return self.sequence if self.recovery.admits(now) else None
        if state is OPEN:
            places = 0 if now < self.open_until else probes.places(now, self.open_until)
            if places <= 0:
                probes.rejected_at = now
                return None
            self.enter(HALF_OPEN, Cause.TIMEOUT, now)
            return probes.take(self, now, places, kind)
        if probes.running and probes.end_overdue(now):
            self._close(now)
            return self.admit(now, kind)
        longest = probes.config.half_open_max_duration
        if longest is not None and now - self.changed_at >= longest:
            if not self.is_ready_to_probe(now):
                self.open(Cause.HALF_OPEN_EXPIRED, now)
                return None
            self.changed_at = now  # nobody called, so no recovery took too long
        places = probes.config.probe_places
        if probes.lease.sharing.peers.live > 1:  # the only instance has its own places
            places = probes.places(now, self.open_until)
        return probes.take(self, now, places, kind)

    def settle(
        self,
        permit: int,
        outcome: Outcome,
        now: float,
        seconds: float | None,
        error: object,
        asked: float | None,
    ) -> bool:
        """Record the outcome of a call that was admitted while CLOSED; return whether it counts.

        What comes late changes nothing. A number is one for all calls of a moment: whoever holds it
        sees to it that a call is settled once.
        """
        if self.state is not CLOSED or permit < self.first:
            return False
        statistics = self.statistics
        fired: tuple[RuleWindow | None, Rule] | None = None
        if statistics.books:
            fired = statistics.add(now, outcome, seconds, asked)
        if outcome is FAILURE:
            if (run := statistics.run) is None:
                run = statistics.run = Run()
            self.failures = run.add(now, asked)
            self.sequence += 1
            if (run_rule := statistics.run_rule) and self.failures >= run_rule.threshold:
                fired = None, run_rule
        elif self.failures and outcome is SUCCESS:
            self.failures, statistics.run = 0, None
        if fired is not None:
            book, rule = fired
            evidence = self.describe(rule.cause, rule=str(rule), book=book, error=error)
            self.open(rule.cause, now, evidence, statistics.asked(book, now))
        return True

    def settle_probe(
        self,
        probe: Probe,
        outcome: Outcome,
        now: float,
        seconds: float | None,
        error: object,
        asked: float | None,
    ) -> None:
        """Record the one outcome of a probe; what comes late, or twice, changes nothing."""
        was_settled, probe.settled = probe.settled, True
        if was_settled or probe.admitted < self.first:
            return
        probes = self.probes
        if probes.running and probe in probes.running:  # not so when its deadline passed
            probes.running.remove(probe)
        # A slow probe shows that the upstream is still slow, whatever came of it; closing
        # would only open the circuit again.
        limit = self.statistics.slow
        is_slow = limit is not None and seconds is not None and seconds > limit
        if outcome is FAILURE or is_slow:
            self.failures += 1
            rule = f"a probe took over {limit:g} s" if is_slow else "a probe failed"
            evidence = self.describe(Cause.PROBE_FAILED, rule=rule, error=error)
            self.open(Cause.PROBE_FAILED, now, evidence, asked)
        elif outcome is SUCCESS and probes.succeeded():
            self._close(now)
        elif probes.lease.sharing.peers.live > 1:
            probes.lease.changed()

    # -- changes ----------------------------------------------------------------------------------

    def enter(
        self,
        new: CircuitState,
        cause: Cause,
        now: float,
        evidence: Evidence | None = None,
        instance: str = "",
    ) -> bool:
        """Begin a new generation in state ``new``; return whether the state is another one.

        Nothing else writes ``state``. ``instance``: who decided, where it was another one.
        """
        old, self.state = self.state, new
        if evidence is None:
            evidence = self.describe(cause)
        self.evidence = evidence
        self.generation += 1
        self.sequence += 1
        self.first = self.sequence
        if new is not HALF_OPEN:  # while probing it is still shown why the circuit opened
            self.failures = 0
        self.changed_at = now
        self.statistics.run = None
        if self.statistics.books:
            self.statistics.clear_windows()
        self.recovery.entered(old, new, now, evidence, was_over=now >= self.open_until)
        self.probes.entered(old, new, now, self.generation)
        if old is new:
            return False
        self.outbox.add(old, new, cause, self.generation, evidence, now, instance)
        return True

    def open(
        self,
        cause: Cause,
        now: float,
        evidence: Evidence | None = None,
        asked: float | None = None,
    ) -> None:
        """Open, for the circuit's own time or for that which the upstream asks for."""
        failures = self.failures
        seconds = self.recovery.open_for(now, asked, was_probing=self.state is HALF_OPEN)
        self.enter(OPEN, cause, now, evidence)
        self.failures = failures  # kept to be shown
        self.open_until = now + seconds

    def _close(self, now: float) -> None:
        self.enter(CLOSED, Cause.PROBES_SUCCEEDED, now)
        self.recovery.recovered_at = now
        self.recovery.let_back(now)

    # -- what is known ----------------------------------------------------------------------------

    def describe(
        self, cause: Cause, *, rule: str = "", book: RuleWindow | None = None, error: object = None
    ) -> Evidence:
        """Return the figures of this moment, as what a change was decided on."""
        evidence = Evidence(
            cause=cause,
            rule=rule,
            failures=self.failures,
            successes=self.probes.successes,
            error=describe_error(error, self.probes.config.describe_error),
        )
        return evidence if book is None else book.add_to(evidence)

    def failures_at(self, now: float) -> int:
        """Return ``failures`` without those that have left the run by ``now``."""
        run = self.statistics.run
        return self.failures if run is None else run.count(now)

    def retry_after(self, now: float) -> float:
        """Return the seconds until a call may be admitted; 0.0 when one may be now."""
        if self.state is OPEN:
            return max(0.0, self.open_until - now)
        if self.state is HALF_OPEN:
            return self.probes.retry_after(now, self.open_until)
        return 0.0

    def is_ready_to_probe(self, now: float) -> bool:
        """Return whether the circuit waits for a call: idle after its recovery timeout.

        The next call is a probe, and until then nobody is rejected. Who was rejected for want of
        a probe's place, after the recovery timeout, counts for a few seconds: callers come again.
        """
        if self.state is CLOSED or now < self.open_until:
            return False
        probes = self.probes
        if probes.rejected_at >= self.open_until and now - probes.rejected_at < QUIET_AFTER:
            return False
        if self.state is OPEN:
            return True
        probed_until = max(probes.last_probe_at + QUIET_AFTER, probes.lease.elsewhere.taken_until)
        return probed_until <= now and not probes.is_probing(now)

    def after_fork(self) -> None:
        """Forget the permits: their calls run in the parent.

        Another thread may have been in the middle of a change, which then ends here.
        """
        self.probes.after_fork(is_half_open=self.state is HALF_OPEN)
        self.statistics.clear_windows()
