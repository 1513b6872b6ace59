"""What is said of measured times: median, 10th percentile, spread and ratios."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which so many percent lie, between two of them by proportion.

    Raises:
        ValueError: there are no values, or no such percentile.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError(f"no {percent!r} th percentile of {len(values)} values")
    ordered = sorted(values)
    at = (len(ordered) - 1) * percent / 100
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


@dataclass(frozen=True)
class Measured:
    """The seconds per call of one case, one figure from each round.

    Args:
        times: seconds per call, by round.
        calls: how many calls each round had.
    """

    times: tuple[float, ...]
    calls: int

    @property
    def median(self) -> float:
        """What the middle round took, in seconds per call."""
        return statistics.median(self.times)

    @property
    def low(self) -> float:
        """The 10th percentile: what it takes when the machine is left in peace."""
        return percentile(self.times, 10)

    @property
    def high(self) -> float:
        """The 90th percentile: what it takes beside the work of others."""
        return percentile(self.times, 90)

    def over(self, floor: Measured) -> float:
        """Return the ratio to ``floor``, of the 10th percentiles."""
        return self.low / floor.low

    def describe(self, floor: Measured | None = None) -> dict[str, Any]:
        """Return the figures as they stand in the JSON: nanoseconds and ratios."""
        figures: dict[str, Any] = {
            "median_ns": round(self.median * 1e9, 1),
            "p10_ns": round(self.low * 1e9, 1),
            "p90_ns": round(self.high * 1e9, 1),
            "rounds": len(self.times),
            "calls_per_round": self.calls,
        }
        if floor is not None:
            figures["ratio"] = round(self.over(floor), 3)
            figures["ratio_of_medians"] = round(self.median / floor.median, 3)
        return figures
