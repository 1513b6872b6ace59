"""One circuit, whole: what it is in the fleet, and the operator's override above that.

Pure, as the cycle is, and under the same lock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .evidence import Evidence
from .member import Member
from .override import Override, OverrideKind
from .states import CLOSED, HALF_OPEN, OPEN, Cause, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .config import CircuitConfig, Mode
    from .lease import LeaseWish
    from .override import OverrideNews
    from .states import CircuitState
    from .surroundings import Surroundings

QUIET_AFTER: Final = 5.0
"""Seconds without a call after which nobody is taken to wait for a probe any more."""


class Machine(Member):
    """State, counts, override and fleet version of one circuit.

    ``override_version`` and ``override_writer`` name what the fleet's register says of it, as
    ``version`` and ``writer`` name the fleet's state. ``shadow_from`` is the generation in which
    the circuit was last put into shadow mode.
    """

    __slots__ = (
        "override_unshared",
        "override_version",
        "override_writer",
        "shadow_from",
    )

    def __init__(
        self,
        key: str,
        config: CircuitConfig,
        random: Callable[[], float] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.override_unshared = False  # set here, and not yet in the register
        self.override_version = 0
        self.override_writer = ""
        self.shadow_from = 0
        super().__init__(key, config, random, surroundings)

    def is_ready_to_probe(self, now: float) -> bool:
        """Whether the circuit waits for a call: not CLOSED, its open time over, and nobody calls.

        The next call is a probe, and until then nobody is rejected. Who was rejected for want of
        a probe's place, after the open time, counts for a few seconds: callers come again. Under
        an override nothing is probed.
        """
        if self.fixed_state(now) is not None:
            return False
        if self.state is CLOSED or now < self.deadline:
            return False
        if self.rejected_at >= self.deadline and now - self.rejected_at < QUIET_AFTER:
            return False
        if self.state is OPEN:
            return True
        is_probed = max(self.last_sign + QUIET_AFTER, self.taken_until) > now
        return not is_probed and not self.runs_probes(now)

    def runs_probes(self, now: float) -> bool:
        """Whether a probe of this process holds a place."""
        return any(now < probe.deadline for probe in tuple(self.probes or ()))

    # -- the override: above the cycle, which goes on below it ---------------------------------

    def in_force(self, now: float) -> CircuitState:
        """Return the state that callers meet."""
        return self.fixed_state(now) or self.state

    def fixed_state(self, now: float) -> CircuitState | None:
        """Return the state that an override sets, None: the circuit decides by itself."""
        if self.override is None or self.override.is_over(now):
            return None
        return self.override.kind.state

    def trip_by_run(self, generation: int, failures: int, now: float) -> StateChange | None:
        """Open by a run of failures that several instances have met; not while disabled."""
        return None if self.is_disabled(now) else super().trip_by_run(generation, failures, now)

    def judge_fleet(
        self, generation: int, calls: Mapping[str, Sequence[int]], now: float
    ) -> StateChange | None:
        """Open if the calls of the whole fleet fulfil a rule of ours; not while disabled."""
        return None if self.is_disabled(now) else super().judge_fleet(generation, calls, now)

    def shown_state(self, now: float) -> CircuitState:
        """Return the state to show a rejected caller: HALF_OPEN once the open time is over."""
        state = self.in_force(now)
        is_probing = state is OPEN and self.fixed_state(now) is None and now >= self.deadline
        return HALF_OPEN if is_probing else state

    def mode_at(self, now: float) -> Mode:
        """Return the mode in force, where nobody has ended an expired override yet."""
        is_over = self.override is not None and self.override.is_over(now)
        return self.config.mode if is_over else self.mode()

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0.0 when one may be now."""
        override = self.override
        if override is None or self.fixed_state(now) is None:
            return super().retry_after(now)
        if override.kind is OverrideKind.DISABLED:
            return 0.0
        remaining = override.remaining(now)
        # Nobody knows when it is cleared; callers need some number.
        return self.config.recovery_timeout if remaining is None else remaining

    def wish(self, now: float) -> LeaseWish | None:
        """Give what to ask for the lease with; under an override no call is a probe."""
        if self.fixed_state(now) is None:
            return super().wish(now)
        self.wants_lease = False
        return None

    def put(
        self, override: Override | None, by: str, now: float, reason: str = ""
    ) -> StateChange | None:
        """Set the override, or clear it (None); the register hears of it in its turn.

        ``by`` and ``reason`` are those of a clearing: an override has its own. Returns None where
        there was nothing to clear.
        """
        self.override_unshared = True
        if override is None and self.override is None:
            return None
        return self._told(override, by, reason, now)

    def _told(self, override: Override | None, by: str, reason: str, now: float) -> StateChange:
        if override is None:
            evidence = Evidence(by=by, reason=reason)
            return self._put(None, Cause.OVERRIDE_ENDED, evidence, now)
        evidence = Evidence(
            cause=Cause.OVERRIDE, rule=override.kind, by=override.by, reason=override.reason
        )
        return self._put(override, Cause.OVERRIDE, evidence, now)

    def lift(self, now: float) -> StateChange | None:
        """End the override if its time is up."""
        if self.override is None or not self.override.is_over(now):
            return None
        return self._put(
            None,
            Cause.OVERRIDE_ENDED,
            Evidence(reason=f"override by {self.override.by} expired"),
            now,
        )

    def adopt_override(self, news: OverrideNews, now: float) -> StateChange | None:
        """Take over what the fleet's register says, if it is newer than what is known here.

        What is known here ends, too, when the register says that it is over: the first clock at
        which it ends, ends it for all.
        """
        view = news.override
        is_known = (news.version, news.writer) == (self.override_version, self.override_writer)
        ends_ours = is_known and view is None and not self.override_unshared
        if not ends_ours and not news.is_newer_than(self.override_version, self.override_writer):
            return None
        self.override_version, self.override_writer = news.version, news.writer
        self.override_unshared = False
        if view is None:
            if self.override is None:
                return None
            change = self._told(None, news.by, news.reason, now)
            return replace(change, instance=news.writer)
        deadline = None if view.remaining is None else now + view.remaining
        override = Override(view.kind, view.by, view.reason, deadline)
        old = self.override
        if old is not None and (old.kind, old.by, old.reason) == (view.kind, view.by, view.reason):
            self.override = override  # our own, come back with the server's times
            return None
        return replace(self._told(override, view.by, view.reason, now), instance=news.writer)

    def _put(
        self, override: Override | None, cause: Cause, evidence: Evidence, now: float
    ) -> StateChange:
        before, old = self.override, self.state
        self.override = override
        if before is not None:
            old = before.kind.state or self.state
            ended = now if before.deadline is None else min(now, before.deadline)
            # Nobody probed under it, which was no sign that nobody will.
            self.see_probing(ended)
            was_open = before.kind is OverrideKind.FORCED_OPEN
            if was_open and self.fixed_state(now) is None and self.state is CLOSED:
                self.let_back(ended)  # what was kept away would come all at once
        self._follow_mode()
        self.refresh()  # no new generation: what runs below goes on, and counts
        return StateChange(self.key, old, self.in_force(now), cause, self.generation, evidence)

    def _follow_mode(self) -> None:
        """Begin or end to be in shadow mode.

        What is decided in it is nobody else's business; where it ends, the fleet hears of the
        state that the circuit is in by then.
        """
        was_shadow, untold_since = self.shadow, max(self.followed, self.shadow_from)
        if (self.mode() == "shadow") is was_shadow:
            return
        self.choose_mode()
        if self.shadow:
            self._stand_with_the_fleet()
            self.shadow_from = self.generation
        elif self.generation > untold_since:
            self._offer(HALF_OPEN if self.state is CLOSED else CLOSED)
