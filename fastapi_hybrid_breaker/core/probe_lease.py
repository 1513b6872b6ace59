"""A budget of probes: this circuit's own, or the fleet's, of which one instance holds the lease."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .lease import FEW_CALLS, OVERDUE_AFTER
from .states import CLOSED, HALF_OPEN

if TYPE_CHECKING:
    from .config import CircuitConfig
    from .lease import Lease
    from .outbox import Outbox
    from .sharing import Sharing
    from .states import CircuitState

_NEVER: Final = float("-inf")


class ProbesElsewhere:
    """What is known of the probes of other instances.

    ``taken_until`` is how long another one is known to have the lease. ``count`` probes are known
    to run until ``busy_until``; until ``unclear_until`` some may, nobody has reported how many.
    """

    __slots__ = ("busy_until", "count", "taken_until", "unclear_until")

    busy_until: float
    taken_until: float
    unclear_until: float

    def __init__(self) -> None:
        self.count: int = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything: the probing of an earlier opening."""
        self.taken_until = self.busy_until = self.unclear_until = _NEVER

    def running(self, now: float) -> int:
        """Return how many are known to run."""
        return self.count if now < self.busy_until else 0


class ProbeLease:
    """How many probes one circuit may run at once.

    ``current`` is the right to probe for the whole fleet, ``is_wanted`` says that it is to be
    asked for. ``opening`` is the generation in which the present trouble began, None while
    CLOSED. ``calls_per_second`` is how many calls this process expects, None before that was
    measured.
    """

    __slots__ = (
        "_outbox",
        "calls_per_second",
        "config",
        "current",
        "elsewhere",
        "is_wanted",
        "opening",
        "sharing",
    )

    def __init__(self, config: CircuitConfig, sharing: Sharing, outbox: Outbox) -> None:
        self.config: CircuitConfig = config
        self.sharing: Sharing = sharing
        self._outbox = outbox
        self.current: Lease | None = None
        self.is_wanted: bool = False
        self.opening: int | None = None
        self.calls_per_second: float | None = None
        self.elsewhere: ProbesElsewhere = ProbesElsewhere()

    def places(self, now: float, since: float, *, is_idle: bool) -> int:
        """Return how many probes may run at once now.

        Args:
            now: monotonic seconds.
            since: when the recovery timeout ended, or anybody was last known to probe.
            is_idle: no probe runs here.
        """
        if not self.sharing.shares_probes():
            return self.config.probe_places
        if self.is_held(now):
            return min(self.current.places, self._free_places(now))  # type: ignore[union-attr] # it is held
        # It is reported as soon as it begins, and the lease is asked for beside it.
        return int(is_idle and self._needs_none(now, since))

    def is_held(self, now: float) -> bool:
        """Return whether the lease is here."""
        return self.current is not None and now < self.current.deadline

    def ask(self) -> None:
        """Request the lease."""
        if not self.is_wanted and self.sharing.shares_probes():
            self.is_wanted = self._outbox.needs_sync = True

    def changed(self) -> None:
        """Report to the fleet that a place is taken, or free again."""
        if self.sharing.shares_probes():
            self._outbox.needs_sync = True

    def expect_calls(self, per_second: float) -> None:
        """Record how many calls to expect in this process."""
        self.calls_per_second = per_second

    def calls_are_rare(self) -> bool:
        """Return whether few calls of the whole fleet come within one round trip, as far as known.

        Where calls are rare, none of them would ever meet a lease: with many instances it is
        nearly always elsewhere. So there the first call probes and is reported, and what may
        begin beside it are only the calls that come before the others have heard.
        """
        calls, peers = self.calls_per_second, self.sharing.peers
        return calls is not None and calls * peers.live * peers.round_trip <= FEW_CALLS

    def entered(self, old: CircuitState, new: CircuitState, generation: int) -> None:
        """Record a change of state; a lease that was taken while OPEN holds while HALF_OPEN."""
        if new is CLOSED:
            self.opening = self.calls_per_second = None
        elif new is not HALF_OPEN or old is CLOSED:
            self.opening = generation
        if new is not HALF_OPEN:
            self.current, self.is_wanted = None, False
            self.elsewhere.clear()

    def _needs_none(self, now: float, since: float) -> bool:
        """Return whether a call is a probe without the lease."""
        elsewhere = self.elsewhere
        is_clear = now >= elsewhere.unclear_until and self._free_places(now) > 0
        if is_clear and self.calls_are_rare():
            return True
        return now >= since + OVERDUE_AFTER and now >= elsewhere.taken_until

    def _free_places(self, now: float) -> int:
        """Return the places of the fleet that no probe elsewhere is known to take."""
        return max(0, self.config.probe_places - self.elsewhere.running(now))
