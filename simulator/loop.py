"""An event loop whose time jumps to whatever is due next: an hour takes as long as its events."""

from __future__ import annotations

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from typing import TYPE_CHECKING, Any, TypeVar

from .process import PROCESS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Coroutine

T = TypeVar("T")

_MOST_CANCELLED = 5_000
"""Timers that may be kept although they were cancelled."""


class VirtualLoop(BaseEventLoop):
    """An event loop on virtual time, which begins at 0.0 seconds.

    It waits for nothing outside: no sockets, no threads. What belongs to a process that is paused
    (``simulator.process``) is kept until the process goes on, as an operating system does.
    """

    _ready: deque[Any]
    _scheduled: list[Any]
    _stopping: bool
    _timer_cancelled_count: int

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        """Give the virtual time, in seconds."""
        return self._now

    def jump(self, to: float) -> bool:
        """Go on to a time at once, if nothing else is due until then.

        Whoever has many small things to do saves a timer for each.
        """
        scheduled = self._scheduled
        if self._ready or self._stopping or (scheduled and scheduled[0].when() <= to):
            return False
        self._now = max(self._now, to)
        return True

    def go_on(self, kept: list[asyncio.Handle]) -> None:
        """Run what a paused process did not get to run."""
        self._ready.extend(kept)
        kept.clear()

    def _run_once(self) -> None:
        """Run all that is due; go on to the next time where nothing is."""
        ready = self._ready
        self._collect_due()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None and process.is_paused:
                process.kept.append(handle)
            else:
                handle._run()

    def _collect_due(self) -> None:
        scheduled = self._scheduled
        if self._timer_cancelled_count > _MOST_CANCELLED:
            self._drop_cancelled()
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not self._ready and not self._stopping:
            if not scheduled:
                raise RuntimeError("nothing is left that could ever happen")
            self._now = max(self._now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            self._ready.append(handle)

    def _drop_cancelled(self) -> None:
        """Drop timers that were cancelled: those far ahead would pile up."""
        self._timer_cancelled_count = 0
        for handle in self._scheduled:
            handle._scheduled = not handle._cancelled
        self._scheduled[:] = [handle for handle in self._scheduled if handle._scheduled]
        heapq.heapify(self._scheduled)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        if handle._scheduled:
            self._timer_cancelled_count += 1

    def _process_events(self, event_list: list[Any]) -> None:
        """Take events of sockets: there are none."""

    def _write_to_self(self) -> None:
        """Wake the loop from another thread: it never sleeps."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh virtual loop; what it leaves behind is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
