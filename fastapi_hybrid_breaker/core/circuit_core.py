"""One circuit, whole: its state, what it is in the fleet, and the operator's override above both.

Pure: time comes in as an argument, nothing is awaited. Not safe from threads by itself: its owner
holds a lock around every method. What ``publish`` writes may be read without it, because a stale
value costs nothing but a second look under the lock.
"""

from __future__ import annotations

import random as chance
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .evidence import Evidence
from .machine import QUIET_AFTER, StateMachine
from .membership import Membership
from .outbox import Outbox
from .override import NEVER_REJECTS, Override, OverrideKind, OverrideSlot
from .peers import Peers
from .probe import SHADOWED, UNCOUNTED
from .probe_lease import ProbeLease
from .probes import ProbeSlots
from .recovery import Recovery
from .shadow import ShadowMode
from .sharing import Sharing
from .states import CLOSED, FAILURE, HALF_OPEN, NOT_COUNTED, OPEN, Cause
from .statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .lease import LeaseWish
    from .override import OverrideNews
    from .probe import Ticket
    from .states import CircuitState, Outcome

NEVER: Final = float("-inf")


class CircuitCore:
    """The parts of one circuit, and what calls may read of it without the lock.

    ``free_permit`` is the permit of a call that is admitted without a question, or None;
    ``reject_until`` is when the circuit stops rejecting everything, monotonic seconds;
    ``counts_successes`` says whether a success changes anything, ``timed`` whether durations count,
    ``is_special`` whether an override or shadow mode stands above what is decided.
    """

    __slots__ = (
        "_is_measured",
        "config",
        "counts_successes",
        "free_permit",
        "is_special",
        "machine",
        "membership",
        "outbox",
        "override",
        "reject_until",
        "shadow",
        "timed",
    )

    free_permit: int | None
    reject_until: float
    counts_successes: bool
    is_special: bool
    timed: bool

    def __init__(
        self,
        key: str,
        config: CircuitConfig,
        random: Callable[[], float] | None = None,
        peers: Peers | None = None,
    ) -> None:
        peers, random = peers or Peers(), random or chance.random
        self.config: CircuitConfig = config
        self.override: OverrideSlot = OverrideSlot()
        self.outbox: Outbox = Outbox(key, self.override)
        sharing = Sharing(config, peers)
        lease = ProbeLease(config, sharing, self.outbox)
        self.machine: StateMachine = StateMachine(
            Statistics(config.rules, peers),
            Recovery(config, sharing, random),
            ProbeSlots(config, lease, random),
            self.outbox,
        )
        self.membership: Membership = Membership(config, self.machine, sharing, self.outbox)
        self.shadow: ShadowMode = ShadowMode(self.membership, self.override)
        self.shadow.choose(config)
        self.measure(wanted=False)

    def configure(self, config: CircuitConfig) -> None:
        """Decide by ``config`` from now on, with empty windows."""
        machine, membership = self.machine, self.membership
        self.config = membership.config = membership.sharing.config = config
        machine.recovery.config = machine.probes.config = machine.probes.lease.config = config
        run = machine.statistics.run
        machine.statistics = Statistics(config.rules, membership.sharing.peers)
        machine.statistics.run = run
        self.shadow.choose(config)
        self.measure(wanted=self._is_measured)

    def measure(self, *, wanted: bool) -> None:
        """Time and settle every call in full from now on, or only as the rules need."""
        self._is_measured = wanted
        self.timed = wanted or self.machine.statistics.slow is not None
        self.publish()

    def publish(self) -> None:
        """Publish what calls read without the lock."""
        machine, sharing = self.machine, self.membership.sharing
        has_override = self.override.current is not None
        self.is_special = has_override or sharing.shadow
        self.counts_successes = (
            machine.failures > 0
            or machine.state is not CLOSED
            or machine.recovery.ramp is not None
            or self._is_measured
            or self.membership.calls.tracks_successes
            or bool(machine.statistics.books)
            or self.config.failure_result is not None
        )
        self.free_permit = None
        self.reject_until = NEVER
        if machine.state is CLOSED:
            is_held_back = self.timed or machine.recovery.ramp is not None
            if not is_held_back and not has_override and not sharing.peers.awaits_start:
                self.free_permit = machine.sequence
        elif machine.state is OPEN and not self.is_special:
            self.reject_until = machine.open_until

    # -- calls ----------------------------------------------------------------------------------

    def admit(self, now: float, kind: object = None) -> Ticket | None:
        """Return a permit, or None: rejected; an override that has expired was lifted before.

        ``kind``: what the caller knows the call by, or ``ROUTE``; see ``standoff``.
        """
        override = self.override.current
        if override is not None and override.kind.state is not None:
            return UNCOUNTED if override.kind is OverrideKind.DISABLED else None
        machine = self.machine
        old, generation = machine.state, machine.generation
        permit = machine.admit(now, kind)
        if machine.generation != generation:
            self.membership.offer(old)
            self.publish()
        elif old is CLOSED:
            self.publish()  # a ramp may have ended
        return permit

    def settle(
        self,
        ticket: Ticket,
        outcome: Outcome,
        now: float,
        seconds: float | None = None,
        error: object = None,
        asked: float | None = None,
    ) -> None:
        """Record the one outcome of an admitted call; what comes late changes nothing.

        Args:
            ticket: what ``admit`` returned.
            outcome: what the call says of its upstream.
            now: monotonic seconds.
            seconds: how long it took; None: not measured.
            error: an exception or a text, to explain an opening; not kept.
            asked: the pause that the upstream asks for, in seconds, or None.
        """
        if self.is_special or ticket == SHADOWED:
            self.lift(now)
            if self.override.is_disabled(now):
                outcome, seconds = NOT_COUNTED, None
            self.shadow.show(ticket, outcome, now, seconds)
            self.publish()
        machine = self.machine
        old, generation, failures = machine.state, machine.generation, machine.failures
        is_counted = False
        if isinstance(ticket, int):
            is_counted = machine.settle(ticket, outcome, now, seconds, error, asked)
        else:
            machine.settle_probe(ticket, outcome, now, seconds, error, asked)
        if machine.generation != generation:
            self.membership.offer(old)
            self.publish()
        elif is_counted:
            calls = self.membership.calls
            if calls.run is not None or calls.sharing.peers.has_fleet:
                calls.settled(outcome, now, error)
            if outcome is FAILURE:  # all that such a call changes of what is published
                self.counts_successes = True
                self.free_permit = None if self.free_permit is None else machine.sequence
            elif failures or calls.run is not None:
                self.publish()

    # -- what is known ----------------------------------------------------------------------------

    def effective_state(self, now: float) -> CircuitState:
        """Return the state that callers meet."""
        return self.override.fixed_state(now) or self.machine.state

    def shown_state(self, now: float) -> CircuitState:
        """Return the state for a rejected caller: HALF_OPEN after the recovery timeout."""
        fixed, machine = self.override.fixed_state(now), self.machine
        is_probing = fixed is None and machine.state is OPEN and now >= machine.open_until
        return HALF_OPEN if is_probing else fixed or machine.state

    def retry_after(self, now: float) -> float:
        """Return the seconds until a call may be admitted; 0.0 when one may be now."""
        override = self.override.current
        if override is None or self.override.fixed_state(now) is None:
            return self.machine.retry_after(now)
        if override.kind is OverrideKind.DISABLED:
            return 0.0
        remaining = override.remaining(now)
        # Nobody knows when it is cleared; callers need some number.
        return self.config.recovery_timeout if remaining is None else remaining

    def is_ready_to_probe(self, now: float) -> bool:
        """Return whether the circuit waits for a call; under an override nothing is probed."""
        override, machine = self.override.current, self.machine
        if self.override.fixed_state(now) is not None:
            return False
        ended = None if override is None else override.deadline
        if ended is not None and machine.state is HALF_OPEN and 0.0 <= now - ended < QUIET_AFTER:
            return False  # as the next call finds it, which ends the override
        return machine.is_ready_to_probe(now)

    def figures(self) -> Statistics:
        """Return the figures to show: those that rules look at, or in shadow mode of all calls."""
        return self.shadow.statistics or self.machine.statistics

    # -- changes from outside of calls ----------------------------------------------------------

    def reset(self, now: float, *, by: str = "", reason: str = "", ramp: bool = False) -> None:
        """Back to CLOSED with empty counts; what runs now counts no more.

        ``ramp``: calls come back in shares, as after a recovery.
        """
        machine, membership = self.machine, self.membership
        membership.stand_with_the_fleet()
        evidence = replace(machine.describe(Cause.RESET), by=by, reason=reason)
        machine.enter(CLOSED, Cause.RESET, now, evidence)
        membership.calls.clear()
        machine.recovery.recovered_at, machine.recovery.reopenings = None, 0
        machine.recovery.let_back(now if ramp else None)
        self.figures().clear_windows()
        membership.unsynced = False  # the fleet hears of the reset itself, whatever came before
        self.publish()

    def open_for(self, seconds: float, now: float) -> None:
        """Open here, whatever was counted; nothing is published."""
        membership = self.membership
        membership.stand_with_the_fleet()
        self.machine.enter(OPEN, Cause.FAILURES, now)
        membership.calls.clear()
        self.machine.open_until = now + seconds
        membership.unsynced = False
        self.publish()

    def wish(self, now: float) -> LeaseWish | None:
        """Return what to ask for the lease with; under an override no call is a probe."""
        probes, membership = self.machine.probes, self.membership
        if self.override.fixed_state(now) is None:
            return probes.wish(now, membership.version, membership.writer)
        probes.lease.is_wanted = False
        return None

    def after_fork(self) -> None:
        """Forget the permits: their calls run in the parent."""
        self.machine.after_fork()
        self.membership.calls.clear()
        if self.shadow.statistics is not None:
            self.shadow.statistics.clear_windows()
        self.publish()

    # -- the override: above the state machine, which goes on below it ----------------------------

    def set_override(
        self, override: Override | None, by: str, now: float, reason: str = ""
    ) -> None:
        """Set the override, or clear it (None); the register hears of it in its turn.

        ``by`` and ``reason`` are those of a clearing: an override has its own.
        """
        self.override.unsynced = True
        if override is not None or self.override.current is not None:
            self._replace(override, now, Evidence(by=by, reason=reason))

    def disable_for_good(self) -> None:
        """Admit everything and count nothing; no listener hears of it."""
        self.override.current = NEVER_REJECTS
        self.publish()

    def lift(self, now: float) -> None:
        """End the override if it has expired."""
        if self.override.has_expired(now) and (override := self.override.current) is not None:
            self._replace(None, now, Evidence(reason=f"override by {override.by} expired"))

    def adopt_override(self, news: OverrideNews, now: float) -> None:
        """Apply what the fleet's register says, if it is newer than what is known here."""
        if not self.override.accept(news):
            return
        view = news.override
        if view is None:
            if self.override.current is not None:
                evidence = Evidence(by=news.by, reason=news.reason)
                self._replace(None, now, evidence, news.writer)
            return
        deadline = None if view.remaining is None else now + view.remaining
        override = Override(view.kind, view.by, view.reason, deadline)
        if self.override.is_set_as(view):
            self.override.current = override
            return
        self._replace(override, now, Evidence(), news.writer)

    def _replace(
        self, override: Override | None, now: float, evidence: Evidence, instance: str = ""
    ) -> None:
        """Set or end the override; ``evidence`` is that of an end."""
        machine, before = self.machine, self.override.current
        cause = Cause.OVERRIDE_ENDED
        if override is not None:
            cause = Cause.OVERRIDE
            evidence = Evidence(
                cause=cause, rule=override.kind, by=override.by, reason=override.reason
            )
        self.override.current = override
        if before is not None:
            ended = now if before.deadline is None else min(now, before.deadline)
            # Nobody probed under it, which was no sign that nobody will.
            machine.probes.see_probing(ended)
            was_open = before.kind is OverrideKind.FORCED_OPEN
            is_fixed = self.override.fixed_state(now) is not None
            if was_open and not is_fixed and machine.state is CLOSED:
                machine.recovery.let_back(ended)  # what was kept away would come all at once
        self.shadow.follow_override(self.config)
        # No new generation: what runs below goes on, and counts.
        effective = self.effective_state(now)
        self.outbox.add_override(effective, cause, machine.generation, evidence, instance)
        self.publish()
