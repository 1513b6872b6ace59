"""One circuit's probes: one set of them for the whole fleet.

Pure, as the cycle is, and under the same lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .admission import Admission
from .cycle import RETRY_WHILE_PROBING
from .lease import FEW_CALLS, OVERDUE_AFTER, Lease, LeaseWish
from .states import CLOSED, HALF_OPEN, Cause, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .evidence import Evidence
    from .states import CircuitState
    from .surroundings import Surroundings

_NEVER: Final = float("-inf")


class Prober(Admission):
    """What a circuit may probe, on behalf of all or by itself.

    ``version`` and ``writer`` name the fleet's state that this one equals or is based on;
    ``alone``: it differs from that on purpose, since it binds nobody else or its quorum is not
    reached. ``opening`` is the generation in which the present trouble began, and ``troubled_at``
    when it left CLOSED. ``lease`` is the right to probe for all; ``taken_until`` how long another
    instance is known to have it. ``probes_elsewhere`` is how many probes are known to run at
    others until ``busy_until``; until ``unclear_until`` some may, nobody has said how many.
    ``calls_per_second`` is how many calls this process expects, None before that was measured.
    """

    __slots__ = (
        "alone",
        "busy_until",
        "calls_per_second",
        "lease",
        "opening",
        "probes_elsewhere",
        "taken_until",
        "troubled_at",
        "unclear_until",
        "version",
        "wants_lease",
        "writer",
    )

    def __init__(
        self,
        key: str,
        config: CircuitConfig,
        random: Callable[[], float] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.version = 0
        self.writer = ""
        self.alone = False
        self.lease: Lease | None = None
        self.wants_lease = False
        self.probes_elsewhere = 0
        self.busy_until = _NEVER
        self.unclear_until = _NEVER
        self.taken_until = _NEVER
        self.calls_per_second: float | None = None
        self.opening = 0
        self.troubled_at = 0.0
        super().__init__(key, config, random, surroundings)

    def is_bound(self) -> bool:
        """Whether probes are one budget of the whole fleet; the only instance has its own."""
        return (
            self.surroundings.live > 1
            and self.surroundings.is_connected
            and not self.alone
            and not self.shadow
            and self.config.scope == "fleet"
        )

    def places(self, now: float) -> int:
        """Return how many probes may run at once now, and ask for the lease where there is none."""
        if not self.is_bound():
            return self.config.probe_places
        if self.lease is not None and now < self.lease.deadline:
            return min(self.lease.places, self._free_places(now))
        if self._needs_no_lease(now):
            return 1  # it is reported as soon as it begins, and the lease is asked for beside it
        if not self.wants_lease:
            self.wants_lease = self.stirred = True
        return 0

    def _needs_no_lease(self, now: float) -> bool:
        """Whether a call is a probe at once.

        Where calls are rare, none of them would ever meet a lease: with many instances it is
        nearly always elsewhere. So there the first call probes and is reported, and what may
        begin beside it are only the calls that come before the others have heard.
        """
        if self.probes:
            return False
        is_clear = now >= self.unclear_until and self._free_places(now) > 0
        if is_clear and self.calls_are_rare():
            return True
        overdue = max(self.deadline, self.last_sign) + OVERDUE_AFTER
        return now >= overdue and now >= self.taken_until

    def _free_places(self, now: float) -> int:
        """Return the places of the fleet that no probe elsewhere is known to take."""
        elsewhere = self.probes_elsewhere if now < self.busy_until else 0
        return max(0, self.config.probe_places - elsewhere)

    def calls_are_rare(self) -> bool:
        """Whether few calls of the whole fleet come within one round trip, as far as known."""
        calls, around = self.calls_per_second, self.surroundings
        return calls is not None and calls * around.live * around.round_trip <= FEW_CALLS

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0.0 when one may be now."""
        if self.state is HALF_OPEN and self.is_bound():
            places = int(self._needs_no_lease(now))
            if self.lease is not None and now < self.lease.deadline:
                places = min(self.lease.places, self._free_places(now))
            running = sum(1 for probe in self.probes or () if now < probe.deadline)
            return RETRY_WHILE_PROBING if running >= places else 0.0
        return super().retry_after(now)

    def wish(self, now: float) -> LeaseWish | None:
        """Return what to ask for the lease with; None where none is needed."""
        self.wants_lease = False
        if self.state is CLOSED or not self.is_bound():
            return None
        running = [probe.deadline for probe in self.probes or () if probe.has_place(now)]
        return LeaseWish(
            opening=self.opening,
            version=self.version,
            writer=self.writer,
            places=self.config.probe_places,
            running=len(running),
            busy_for=max(running, default=now) - now,
            successes=self.successes,
            own=self.own_successes,
        )

    def grant(self, opening: int, lease: Lease, successes: int) -> None:
        """Take the lease; ``successes`` are the probes' so far, anywhere."""
        if self.state is CLOSED or self.opening != opening:
            return  # for another opening
        self.lease, self.unclear_until = lease, _NEVER
        self._carry(successes)

    def see_lease(self, opening: int, until: float, successes: int) -> None:
        """Take in that somebody else may probe until then, monotonic seconds."""
        if self.opening == opening:
            self.taken_until = max(self.taken_until, until)
            self._carry(successes)

    def hear_probing(self, now: float, probes: int, seconds: float, successes: int) -> None:
        """Record how many probes run elsewhere, for so long at most unless it is said again."""
        self.see_probing(now)
        self.probes_elsewhere, self.busy_until = probes, now + seconds
        self.unclear_until = _NEVER
        self._carry(successes)

    def suspect_probing(self, now: float, seconds: float) -> None:
        """Record that some may probe elsewhere for so long, who do not say how many.

        Some of them may be in places that a lease of ours counts as free: if it is not in use, it
        is asked for again first.
        """
        self.see_probing(now)
        self.unclear_until = now + seconds
        if not self.probes:
            self.lease = None

    def expect_calls(self, per_second: float) -> None:
        """Record how many calls to expect in this process."""
        self.calls_per_second = per_second

    def probes_changed(self) -> None:
        """Have the fleet know that a place is taken, or free again."""
        if self.is_bound():
            self.stirred = True

    def see_probing(self, now: float) -> None:
        """Record that somebody probes."""
        self.last_sign = max(self.last_sign, now)

    def after_fork(self) -> None:
        """Forget the permits and the lease: their calls run in the parent."""
        self.lease, self.wants_lease = None, False
        super().after_fork()

    def _carry(self, successes: int) -> None:
        if self.state is HALF_OPEN:
            # The last success needed is seen by whoever has it, and closes the circuit there.
            self.successes = max(self.successes, min(successes, self.config.success_threshold - 1))

    def _move(
        self, new: CircuitState, cause: Cause, now: float, evidence: Evidence | None = None
    ) -> StateChange | None:
        old = self.state
        change = super()._move(new, cause, now, evidence)
        if old is CLOSED:
            self.troubled_at = now
        if new is not HALF_OPEN or old is CLOSED:
            self.opening = self.generation
        self.own_successes = 0
        if new is HALF_OPEN:  # under the lease that was taken while OPEN
            self.last_sign = max(self.last_sign, now)
        else:
            self.lease, self.wants_lease = None, False
            self.last_sign = self.taken_until = _NEVER
            self.busy_until = self.unclear_until = _NEVER
        if new is CLOSED:
            self.calls_per_second = None
        return change
