"""How long a circuit stays open."""

from __future__ import annotations

from dataclasses import dataclass

from .checks import check_between, check_seconds

_MOST_MULTIPLIED = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Longer recovery timeouts for a dependency that fails again as soon as it is tried.

    An opening is one *again* when a probe failed, or when it comes less than ``reset_after``
    seconds after the circuit closed. The n-th in a row lasts ``recovery_timeout`` times
    ``multiplier`` to the power n, ``maximum`` at most.

    Args:
        multiplier: 1 to 100, default 2; 1 keeps the time and leaves only the jitter.
        maximum: seconds that no recovery timeout exceeds, but for one that the upstream asks for;
            above 0, at most 86,400, default 600.
        jitter: share by which a recovery timeout varies either way, by chance, so that many
            circuits do not probe at once; 0 to 1 (not 1 itself), default 0.1.
        reset_after: seconds that a close must have lasted for the next opening to begin with
            ``recovery_timeout`` again; above 0, at most 86,400; default None:
            ``recovery_timeout``.

    Raises:
        TypeError, ValueError: a value of another type or range.
    """

    multiplier: float = 2.0
    maximum: float = 600.0
    jitter: float = 0.1
    reset_after: float | None = None

    def __post_init__(self) -> None:
        wanted = f"multiplier must be a number from 1 to 100, not {self.multiplier!r}"
        check_between(self.multiplier, wanted, least=1.0, most=_MOST_MULTIPLIED)
        check_seconds("maximum", self.maximum)
        wanted = f"jitter must be a number from 0 to 1 (not 1 itself), not {self.jitter!r}"
        check_between(self.jitter, wanted, least=0.0, below=1.0)
        if self.reset_after is not None:
            check_seconds("reset_after", self.reset_after)
