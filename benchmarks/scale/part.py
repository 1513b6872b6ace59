"""Measures how the cost grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import circuits, fleet
from .threads import time_threads

if TYPE_CHECKING:
    from benchmarks.parts import Figures, Order


async def run(order: Order) -> Figures:
    """Return all of it."""
    return {
        "calls": await circuits.time_calls(order),
        "bytes": await circuits.weigh(),
        "made_in_ms": circuits.start_up(),
        "threads": time_threads(order),
        "shared": await fleet.start_and_repair(),
        "at_once": await fleet.change_all_at_once(),
    }
