"""An event loop whose time jumps to whatever is due next: an hour takes as long as its events."""

from __future__ import annotations

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from .process import PROCESS

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Coroutine
    from contextvars import Context

T = TypeVar("T")

_MOST_CANCELLED = 5_000
"""Timers that may be kept although they were cancelled."""


class StandstillError(RuntimeError):
    """Everybody waits for something that nobody is going to do."""


class VirtualLoop(BaseEventLoop):
    """An event loop on virtual time, which begins at 0.0 seconds.

    It waits for nothing outside: no sockets, no threads. What belongs to a process that is paused
    (``simulator.process``) is kept until the process goes on, as an operating system does.
    """

    _ready: deque[Any]
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        # With a number to each: timers of the same moment run in the order of their making, and
        # comparing them is left to tuples.
        self.timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = count()
        self._cancelled = 0

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def jump(self, to: float) -> bool:
        """Go on to a time at once, if nothing else is due until then.

        Whoever has many small things to do saves a timer for each.
        """
        if self._ready or self._stopping or (self.timers and self.timers[0][0] <= to):
            return False
        self._now = max(self._now, to)
        return True

    def go_on(self, kept: list[asyncio.Handle]) -> None:
        """Run what a paused process did not get to run."""
        self._ready.extend(kept)
        kept.clear()

    # Argument types are the callers' business here.
    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Run something next; as in every event loop, without its checks."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Run something in ``delay`` seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Run something at a time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self.timers, (when, next(self._number), handle))
        return handle

    def _run_once(self) -> None:
        """Run until somebody stops the loop."""
        ready = self._ready
        while True:
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
            if self._stopping:
                return

    def _collect_due(self) -> None:
        """Run the timers that are due; go on to the next time where nothing is to be done now."""
        if self._cancelled > _MOST_CANCELLED:
            self._drop_cancelled()
        timers, ready = self.timers, self._ready
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise StandstillError("nothing is left that could ever happen")
            self._now = max(self._now, timers[0][0])
        now = self._now
        while timers and timers[0][0] <= now:
            ready.append(heapq.heappop(timers)[2])

    def _drop_cancelled(self) -> None:
        """Drop timers that were cancelled: those far ahead would pile up."""
        self._cancelled = 0
        self.timers = [timer for timer in self.timers if not timer[2]._cancelled]
        heapq.heapify(self.timers)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        del handle
        self._cancelled += 1

    def _process_events(self, event_list: list[Any]) -> None:
        """Handle events of sockets: there are none."""

    def _write_to_self(self) -> None:
        """Wake the loop from another thread: it never sleeps."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh virtual loop; what it leaves behind is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
