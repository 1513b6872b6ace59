"""After a recovery, and after a forced opening: a growing share of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import CircuitConfig

_ROUNDING = 1e-9


class Ramp:
    """Which calls to admit while they are let back; the shares are met exactly.

    Args:
        config: of a circuit that has ``ramp_seconds``.
        begins: when the first of them was let back, monotonic seconds.
    """

    __slots__ = ("_begins", "_credit", "_length", "_shares")

    def __init__(self, config: CircuitConfig, begins: float) -> None:
        self._begins = begins
        self._length = config.ramp_seconds or 0.0
        self._shares = config.ramp_shares
        self._credit = 1.0 - self._shares[0]  # so that the first call is admitted

    def is_over(self, now: float) -> bool:
        """Return whether all calls are admitted again."""
        return now - self._begins >= self._length

    def admits(self, now: float) -> bool:
        """Return whether this call is one of the share; not to be asked once it is over."""
        part = int(max(0.0, now - self._begins) / self._length * len(self._shares))
        self._credit += self._shares[min(part, len(self._shares) - 1)]
        if self._credit < 1.0 - _ROUNDING:
            return False
        self._credit -= 1.0
        return True
