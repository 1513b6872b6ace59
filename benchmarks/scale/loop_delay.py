"""How late the event loop is for others."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self

from benchmarks.figures import percentile

_EVERY = 0.001


class LoopDelay:
    """Looks every millisecond how late the loop wakes it; from ``async with`` to its end."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *error: object) -> None:
        # One more look: a block that held the loop to its end was not seen yet.
        await asyncio.sleep(2 * _EVERY)
        if self._task is not None:
            self._task.cancel()

    async def _look(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(_EVERY)
            self.delays.append(max(0.0, time.perf_counter() - begun - _EVERY))

    def describe(self) -> dict[str, Any]:
        """Return the delays in milliseconds."""
        return {
            "p50_ms": round(percentile(self.delays, 50) * 1e3, 2),
            "p99_ms": round(percentile(self.delays, 99) * 1e3, 2),
            "longest_ms": round(max(self.delays) * 1e3, 2),
            "looks": len(self.delays),
        }
