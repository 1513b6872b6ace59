"""What a part of the measurement is given, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .peers.adapter import Adapter

_QUICK = 0.4
"""The share of the usual rounds that a quick look takes."""

Figures = dict[str, Any]
"""As they stand in the JSON."""


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Args:
        effort: 1.0 for the usual number of rounds, less for a look.
        peers: those that are installed and do what is measured.
        is_quick: only what is ours, in memory.
    """

    effort: float = 1.0
    peers: tuple[Adapter, ...] = ()
    is_quick: bool = False

    def rounds(self, usual: int) -> int:
        """Return how many rounds to run where ``usual`` are usual."""
        return max(3, round(usual * self.effort * (_QUICK if self.is_quick else 1.0)))
