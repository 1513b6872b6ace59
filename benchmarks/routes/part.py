"""Measures guarded routes, in process and served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .in_process import time_requests
from .served import load_servers

if TYPE_CHECKING:
    from benchmarks.parts import Figures, Order


async def run(order: Order) -> Figures:
    """Return both."""
    return {"in_process": await time_requests(order), "served": await load_servers(order)}
