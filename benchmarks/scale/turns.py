"""The longest turn of the event loop: what others wait for, however busy the machine is."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any, Self


class LongestTurn:
    """Measures the processor time of each turn of the running loop, from ``async with`` on.

    Args:
        longest: seconds of the longest turn.
        collecting: seconds of the longest collection of garbage, which is part of some turn.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.collecting = 0.0
        self._collection_began = 0.0
        self._loop: Any = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        run_once = self._loop._run_once  # noqa: SLF001 - nothing else counts turns

        def measured() -> None:
            began = time.thread_time()
            run_once()
            self.longest = max(self.longest, time.thread_time() - began)

        self._loop._run_once = measured  # noqa: SLF001
        gc.callbacks.append(self._collects)
        return self

    async def __aexit__(self, *error: object) -> None:
        del self._loop._run_once  # noqa: SLF001
        gc.callbacks.remove(self._collects)

    def _collects(self, phase: str, about: dict[str, int]) -> None:  # noqa: ARG002
        if phase == "start":
            self._collection_began = time.thread_time()
        else:
            took = time.thread_time() - self._collection_began
            self.collecting = max(self.collecting, took)

    def describe(self) -> dict[str, float]:
        """Return both in milliseconds."""
        return {
            "longest_turn_ms": round(self.longest * 1e3, 2),
            "longest_collection_ms": round(self.collecting * 1e3, 2),
        }
