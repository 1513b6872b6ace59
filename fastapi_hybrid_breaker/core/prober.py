"""One circuit's probes: one set of them for the whole fleet.

Pure, as the cycle is, and under the same lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .admission import Admission
from .cycle import RETRY_WHILE_PROBING
from .lease import OVERDUE_AFTER, PROVISIONAL, SHOW_EVERY, Lease, LeaseWish
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
    when it left CLOSED. ``lease`` is the
    right to probe for all; ``taken_until`` how long somebody else is known to have it, and
    ``last_sign`` when anybody was last known to probe; ``show_from`` when the fleet's part is
    next to look at probes of ours.
    """

    __slots__ = (
        "alone",
        "last_sign",
        "lease",
        "opening",
        "show_from",
        "taken_until",
        "troubled_at",
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
        self.last_sign = _NEVER
        self.show_from = _NEVER
        self.taken_until = _NEVER
        self.opening = 0
        self.troubled_at = 0.0
        super().__init__(key, config, random, surroundings)

    def is_bound(self) -> bool:
        """Tell whether a probe needs the fleet's lease; who is the only instance needs none."""
        return (
            self.surroundings.live > 1
            and self.surroundings.is_connected
            and not self.alone
            and not self.shadow
            and self.config.scope == "fleet"
        )

    def places(self, now: float) -> int:
        """Give how many probes may run at once now, and ask for the lease where there is none."""
        if not self.is_bound():
            return self.config.probe_places
        if self.lease is not None and now < self.lease.deadline:
            return self.lease.places
        if not self.wants_lease:
            self.wants_lease = self.stirred = True
        overdue = max(self.deadline, self.last_sign) + OVERDUE_AFTER
        if now < overdue or now < self.taken_until:
            return 0
        # Nobody seems to probe. This call does, and the lease is asked for beside it.
        self.lease = Lease(places=1, deadline=now + PROVISIONAL)
        return 1

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be admitted; 0.0 when one may be now."""
        if self.state is HALF_OPEN and self.is_bound():
            if self.lease is None or now >= self.lease.deadline:
                return RETRY_WHILE_PROBING
            running = sum(1 for probe in self.probes or () if now < probe.deadline)
            return RETRY_WHILE_PROBING if running >= self.lease.places else 0.0
        return super().retry_after(now)

    def wish(self, now: float) -> LeaseWish | None:
        """Give what to ask for the lease with; None where none is needed."""
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
        )

    def grant(self, opening: int, lease: Lease, successes: int) -> None:
        """Take the lease; ``successes`` are the probes' so far, anywhere."""
        if self.state is CLOSED or self.opening != opening:
            return  # for another opening
        self.lease = lease
        self._carry(successes)

    def see_lease(self, opening: int, until: float, successes: int) -> None:
        """Take in that somebody else may probe until then, monotonic seconds."""
        if self.opening == opening:
            self.taken_until = max(self.taken_until, until)
            self._carry(successes)

    def doubt_lease(self) -> None:
        """Ask again before a lease that is not in use is used: others took places of it."""
        if not self.probes:
            self.lease = None

    def began_probe(self, now: float) -> None:
        """Take in that a call here is a probe, and have the fleet told if it is the first."""
        self.last_sign = max(self.last_sign, now)
        if now >= self.show_from and len(self.probes or ()) == 1 and self.is_bound():
            self.show_from = now + SHOW_EVERY
            self.stirred = True

    def see_probing(self, now: float) -> None:
        """Take in that somebody probes."""
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
        if new is HALF_OPEN:  # under the lease that was taken while OPEN
            self.last_sign = max(self.last_sign, now)
        else:
            self.lease, self.wants_lease = None, False
            self.last_sign = self.taken_until = _NEVER
        return change
