"""A limit of time around whatever a client library does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at the time that has passed."""

MOST_PER_LOOK: Final = 2 * LOOK_EVERY
"""Seconds that may count between two looks. When more have passed, this process's own event loop
was not running (a blocking call, a throttled or stopped process): answers may have come meanwhile,
and are read first."""


class Limit:
    """End what the current task waits for inside the block after so many seconds.

    Differs from ``asyncio.timeout`` in two ways. Time during which the event loop itself did not
    run counts as ``MOST_PER_LOOK`` at most. And it cancels again and again: a library can swallow
    a cancellation (``asyncio.wait_for`` of Python 3.11 does).

    Args:
        seconds: how long the block may take; infinity: there is no limit.
        what: what did not happen in time, for the error.

    Raises:
        TimeoutError: the block was ended.
    """

    def __init__(self, seconds: float, what: str = "no answer") -> None:
        self._seconds = self._left = seconds
        self._what = what
        self._cancelled = 0

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a limit of time needs a task")
        self._task = task
        self._before = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._looked = self._loop.time()
        self._timer = self._next_look()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        cancelling = self._task.cancelling()
        for _ in range(self._cancelled):
            cancelling = self._task.uncancel()
        # More than ours: somebody wants the task itself to end.
        is_ours = self._cancelled > 0 and cancelling <= self._before
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError(f"{self._what} within {self._seconds:g} seconds") from error

    def _next_look(self) -> asyncio.TimerHandle | None:
        if self._left == float("inf"):
            return None
        wait = min(LOOK_EVERY, self._left) if self._left > 0.0 else LOOK_EVERY
        return self._loop.call_later(wait, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        self._left -= min(now - self._looked, MOST_PER_LOOK)
        self._looked = now
        if self._left <= 0.001:  # timers may come that much early
            self._left = 0.0
            self._cancelled += 1
            self._task.cancel()
        self._timer = self._next_look()
