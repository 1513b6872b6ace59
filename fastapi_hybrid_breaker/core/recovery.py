"""How one circuit recovers: how long it stays open, and how calls come back afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .backoff import Backoff
from .checks import DAY
from .ramp import Ramp
from .states import CLOSED, HALF_OPEN, OPEN, Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .evidence import Evidence
    from .sharing import Sharing
    from .states import CircuitState

AFTER_PROBES: Final[frozenset[str]] = frozenset({Cause.PROBE_FAILED, Cause.HALF_OPEN_EXPIRED})
"""Why a circuit opens that was HALF_OPEN."""

REOPENED_WITHIN: Final = 3600.0
"""Seconds within which a circuit must have opened again twice to be one that keeps failing."""

_NEVER: Final = float("-inf")


class Recovery:
    """The openings and recoveries of one circuit.

    ``reopenings`` are the openings in a row; ``recovered_at`` is when a recovery closed the
    circuit, ``left_closed_at`` when it left CLOSED, ``ramp_from`` when calls were let back,
    whether by a ramp or not; all in monotonic seconds.
    """

    __slots__ = (
        "_random",
        "_reopened_at",
        "_sharing",
        "config",
        "left_closed_at",
        "ramp",
        "ramp_from",
        "recovered_at",
        "reopenings",
    )

    def __init__(
        self, config: CircuitConfig, sharing: Sharing, random: Callable[[], float]
    ) -> None:
        self.config: CircuitConfig = config
        self._sharing = sharing
        self._random = random
        self.reopenings: int = 0
        self.recovered_at: float | None = None
        self.left_closed_at: float = 0.0
        self.ramp_from: float | None = None
        self.ramp: Ramp | None = None
        # The last two failed recoveries without a successful probe, or a recovery, between them.
        self._reopened_at = (_NEVER, _NEVER)

    def admits(self, now: float) -> bool:
        """Return whether a call while CLOSED is one of the share that is let back by now."""
        if self.ramp is None:
            return True
        if not self.ramp.is_over(now):
            return self.ramp.admits(now)
        self.ramp = None
        return True

    def let_back(self, since: float | None) -> None:
        """Let calls back in shares since then, where the configuration says so; None: all."""
        self.ramp_from = since
        is_in_shares = self.config.ramp_seconds is not None and not self._sharing.shadow
        self.ramp = None if since is None or not is_in_shares else Ramp(self.config, since)

    def open_for(self, now: float, asked: float | None, *, was_probing: bool) -> float:
        """Count an opening, and return how many seconds it lasts; ``asked`` by the upstream."""
        is_next = was_probing or (self.recovered_at is not None and self.is_recent(now))
        self.reopenings = self.reopenings + 1 if is_next else 0
        return open_seconds(self.config, self.reopenings, asked, self._random)

    def continue_row(self, reopenings: int, closed_for: float) -> float | None:
        """Return when an opening ends that came after ``reopenings`` others; None: it did not."""
        if not is_again(self.config, closed_for):
            return None
        self.reopenings = reopenings + 1
        return self.left_closed_at + open_seconds(self.config, self.reopenings, None, self._random)

    def is_recent(self, now: float) -> bool:
        """Return whether a recovery is so recent that the next opening would continue the row."""
        return self.recovered_at is not None and is_again(self.config, now - self.recovered_at)

    def keeps_failing(self, now: float) -> bool:
        """Return whether two recoveries have failed within an hour, without a success between."""
        return now - self._reopened_at[0] <= REOPENED_WITHIN

    def entered(
        self,
        old: CircuitState,
        new: CircuitState,
        now: float,
        evidence: Evidence,
        *,
        was_over: bool,
    ) -> None:
        """Record a change of state; ``was_over``: the recovery timeout before it had elapsed."""
        if old is CLOSED:
            self.left_closed_at = now
        self.ramp_from = self.ramp = None
        if new is CLOSED:
            self._reopened_at = (_NEVER, _NEVER)
        # While an opening runs, another of the kind is about the same failed recovery.
        elif new is OPEN and evidence.cause in AFTER_PROBES and (old is HALF_OPEN or was_over):
            self._reopened_at = (_NEVER if evidence.successes else self._reopened_at[1], now)


_NONE = Backoff(multiplier=1.0, maximum=DAY, jitter=0.0)


def open_seconds(
    config: CircuitConfig, reopenings: int, asked: float | None, random: Callable[[], float]
) -> float:
    """Return the length of an opening, in seconds: the circuit's own, or what was asked for.

    The longer one counts. The upstream may ask for more patience, never for less: one that
    always says ``Retry-After: 1`` would else be called every second, and without any back-off.

    Args:
        config: the circuit's.
        reopenings: openings in a row before this one.
        asked: what the upstream asked for (``Retry-After``), in seconds, or None.
        random: gives a number from 0 to 1.
    """
    backoff = config.backoff or _NONE
    try:
        own = config.recovery_timeout * float(backoff.multiplier) ** reopenings
    except OverflowError:
        own = backoff.maximum
    if config.backoff is not None:
        own = min(own, backoff.maximum) * (1 + backoff.jitter * (2 * random() - 1))
    own = min(own, backoff.maximum)
    if asked is None or config.retry_after_limits is None:
        return own
    least, most = config.retry_after_limits
    return max(own, min(max(asked, least), most))


def is_again(config: CircuitConfig, closed_for: float | None) -> bool:
    """Return whether an opening continues the row: ``closed_for`` seconds after a recovery.

    None: there was no recovery, as at first and after a reset.
    """
    if closed_for is None:
        return False
    reset_after = config.recovery_timeout
    if config.backoff is not None and config.backoff.reset_after is not None:
        reset_after = config.backoff.reset_after
    return closed_for < max(reset_after, config.ramp_seconds or 0.0)
