"""Whether the fleet's state is known here yet, and who waits for that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextvars import Context


class Readiness:
    """Not ready before messages are received and what was missed before has been read."""

    def __init__(self) -> None:
        self.is_listening: bool = False
        self._is_ready = False
        self._is_over = asyncio.Event()  # ready, or nobody waits any more
        self._timer: asyncio.TimerHandle | None = None

    def wait_at_most(self, seconds: float, context: Context) -> None:
        """End waits after so many seconds from now on."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._is_over.set, context=context)

    async def reached(self) -> bool:
        """Wait until it is ready, or the wait is over; return whether it is ready."""
        await self._is_over.wait()
        return self._is_ready

    def reach(self) -> None:
        """Record that the state is known."""
        self._is_ready = True
        self._is_over.set()

    def give_up(self) -> None:
        """End all waits."""
        self._is_over.set()
        if self._timer is not None:
            self._timer.cancel()
