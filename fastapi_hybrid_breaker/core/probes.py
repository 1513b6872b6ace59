"""The places of probes in one circuit, and who holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .lease import OVERDUE_AFTER, LeaseWish
from .probe import UNCOUNTED, Probe
from .standoff import ROUTE, Standoff, find_holder
from .states import HALF_OPEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .lease import Lease
    from .machine import StateMachine
    from .probe import Ticket
    from .probe_lease import ProbeLease
    from .states import CircuitState

RETRY_WHILE_PROBING: Final = 1.0
"""Seconds a caller is asked to wait while probes run: nobody knows when those end."""

_NEVER: Final = float("-inf")


class ProbeSlots:
    """Lends places to probes while HALF_OPEN, as many as its budget allows, and counts successes.

    ``running`` are the probes that hold a place, None in other states. ``own_successes`` is how
    many of the ``successes`` of this recovery were those of this process. ``last_probe_at`` is when
    anybody was last known to probe, ``rejected_at`` when a call was last rejected (after the open
    time, for want of a place).
    """

    __slots__ = (
        "_random",
        "config",
        "last_probe_at",
        "lease",
        "own_successes",
        "rejected_at",
        "running",
        "standoff",
        "successes",
    )

    def __init__(
        self, config: CircuitConfig, lease: ProbeLease, random: Callable[[], float]
    ) -> None:
        self.config: CircuitConfig = config
        self.lease: ProbeLease = lease
        self._random = random
        self.running: list[Probe] | None = None
        self.standoff: Standoff | None = None  # of the present recovery
        self.successes: int = 0
        self.own_successes: int = 0
        self.last_probe_at: float = _NEVER
        self.rejected_at: float = _NEVER

    # -- calls -------------------------------------------

    def places(self, now: float, open_until: float) -> int:
        """Return how many probes may run at once, and ask for the lease where it is needed."""
        lease = self.lease
        since = max(open_until, self.last_probe_at)
        places = lease.places(now, since, is_idle=not self.running)
        if places == 0 and not lease.is_held(now):
            lease.ask()
        return places

    def take(self, machine: StateMachine, now: float, places: int, kind: object) -> Ticket | None:
        """Return a probe that holds a place, or None: there is no place to be had."""
        running = self.running
        if running is None:  # the change to HALF_OPEN was interrupted: by a signal, or by recursion
            running = self.running = []
        is_free = len(running) < places
        standoff = self.standoff
        if (
            kind is ROUTE
            and standoff is not None
            and standoff.may_route_pass(is_free=is_free, random=self._random)
        ):
            return UNCOUNTED
        if not is_free:
            holder = find_holder(running, standoff, kind, self._random)
            if holder is None:
                self.rejected_at = now
                return None
            holder.settled = True  # a gate from now on: whatever comes of it is not counted
            running.remove(holder)
        probe = Probe(machine, now, kind)
        running.append(probe)
        if now > self.last_probe_at:  # noqa: PLR1730 - a fifth of what max() takes
            self.last_probe_at = now
        if self.lease.sharing.peers.live > 1:
            self.lease.changed()
        return probe

    def succeeded(self) -> bool:
        """Count a successful probe; return whether enough of them have succeeded."""
        if self.standoff is not None:
            self.standoff.resolved()
        self.successes += 1
        self.own_successes += 1
        return self.successes >= self.config.success_threshold

    def rejected_inside(self, probe: Probe, kind: object) -> None:
        """Record that a probe ends because its circuit rejected a call of ``kind`` inside it."""
        if probe.is_running():
            if self.standoff is None:
                self.standoff = Standoff()
            self.standoff.occurred(probe, kind)

    def end_overdue(self, now: float) -> bool:
        """End the probes past their deadline; return whether enough have succeeded.

        One that goes well, a stream that somebody reads for hours, has shown what it was to show.
        """
        for probe in [one for one in self.running or () if now >= one.deadline]:
            if self.running is not None:
                self.running.remove(probe)
            if probe.watcher is not None and probe.is_running() and probe.watcher.looks_healthy():
                probe.settled = True
                if self.succeeded():
                    return True
        return False

    # -- what is known -------------------------------------------

    def retry_after(self, now: float, open_until: float) -> float:
        """Return the seconds until a call may be admitted while HALF_OPEN."""
        since = max(open_until, self.last_probe_at)
        places = self.lease.places(now, since, is_idle=not self.running)
        running = sum(1 for probe in self.running or () if now < probe.deadline)
        return RETRY_WHILE_PROBING if running >= places else 0.0

    def is_probing(self, now: float) -> bool:
        """Return whether a probe of this process holds a place; may be asked without the lock."""
        return any(now < probe.deadline for probe in tuple(self.running or ()))

    def see_probing(self, now: float) -> None:
        """Record that somebody probes."""
        self.last_probe_at = max(self.last_probe_at, now)

    def entered(self, old: CircuitState, new: CircuitState, now: float, generation: int) -> None:
        """Record a change of state: nothing of an earlier recovery counts."""
        self.running = [] if new is HALF_OPEN else None
        self.standoff = None
        self.successes = self.own_successes = 0
        self.last_probe_at = max(self.last_probe_at, now) if new is HALF_OPEN else _NEVER
        self.lease.entered(old, new, generation)

    def after_fork(self, *, is_half_open: bool) -> None:
        """Forget the permits and the lease: their calls run in the parent."""
        self.lease.current, self.lease.is_wanted = None, False
        self.running = [] if is_half_open else None
        self.standoff = None

    # -- the fleet's lease -------------------------------------------

    def wish(self, now: float, version: int, writer: str) -> LeaseWish | None:
        """Return what to ask for the lease with; None where none is needed."""
        lease = self.lease
        lease.is_wanted = False
        if lease.opening is None or not lease.sharing.shares_probes():
            return None
        running = [probe.deadline for probe in self.running or () if probe.has_place(now)]
        return LeaseWish(
            opening=lease.opening,
            version=version,
            writer=writer,
            places=self.config.probe_places,
            running=len(running),
            busy_for=max(running, default=now) - now,
            successes=self.successes,
            own=self.own_successes,
        )

    def grant(self, opening: int, lease: Lease, successes: int) -> None:
        """Record the lease; ``successes`` are the probes' so far, anywhere."""
        if self.lease.opening is None or self.lease.opening != opening:
            return  # CLOSED, or for another opening
        self.lease.current = lease
        self.lease.elsewhere.unclear_until = _NEVER
        self._carry(successes)

    def see_lease(self, opening: int, until: float, successes: int) -> None:
        """Record that somebody else may probe until then, monotonic seconds."""
        if self.lease.opening == opening:
            elsewhere = self.lease.elsewhere
            elsewhere.taken_until = max(elsewhere.taken_until, until)
            self._carry(successes)

    def hear_probing(self, now: float, probes: int, seconds: float, successes: int) -> None:
        """Record how many probes run elsewhere, for so long at most unless it is said again."""
        self.see_probing(now)
        elsewhere = self.lease.elsewhere
        elsewhere.count, elsewhere.busy_until = probes, now + seconds
        elsewhere.unclear_until = _NEVER
        self._carry(successes)

    def suspect_probing(self, now: float, seconds: float) -> None:
        """Record that some may probe elsewhere for so long, who do not say how many.

        Some of them may be in places that a lease of ours counts as free: if it is not in use, it
        is asked for again first.
        """
        self.see_probing(now)
        self.lease.elsewhere.unclear_until = now + seconds
        if not self.running:
            self.lease.current = None

    def see_others_probe(self, now: float) -> None:
        """Assume a probe of whoever made it HALF_OPEN to run, until more is known of it."""
        self.last_probe_at = now
        self.lease.elsewhere.unclear_until = now + OVERDUE_AFTER

    def _carry(self, successes: int) -> None:
        if self.running is not None:
            # The last success needed is seen by whoever has it, and closes the circuit there.
            self.successes = max(self.successes, min(successes, self.config.success_threshold - 1))
