"""A process among many in one: its tasks, its pauses and its death, and its clocks.

Everything that runs for a process runs in a context of its own, in which ``PROCESS`` names it:
so the event loop knows what to hold back while it is paused, and ``time.time`` which wall clock
is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from .loop import VirtualLoop

BEGAN: Final = 1_790_000_000.0
"""Epoch seconds at which every simulation begins."""

PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class Process:
    """One process on a host of its own.

    Args:
        began: where its monotonic clock stands at the simulation's beginning, seconds.
        drift: seconds that its clocks gain in a second.
        wall: seconds by which its wall clock is wrong.
    """

    def __init__(self, *, began: float = 0.0, drift: float = 0.0, wall: float = 0.0) -> None:
        self.is_paused = False
        self.is_dead = False
        self.kept: list[asyncio.Handle] = []
        """What became due during a pause."""
        self.wall = wall
        self._rate = 1.0 + drift
        self._began = began
        self._loop = cast("VirtualLoop", asyncio.get_running_loop())
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def monotonic(self) -> float:
        """Return its monotonic time, seconds."""
        return self._began + self._loop.time() * self._rate

    def time(self) -> float:
        """Return its wall clock's time, epoch seconds."""
        return BEGAN + self._loop.time() * self._rate + self.wall

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task of this process, in a copy of its context as tasks have."""
        return self._loop.create_task(coroutine, context=self.context.copy())

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Count a task as one of this process (called for every task it starts)."""
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def pause(self) -> None:
        """Stand still, as after SIGSTOP: nothing of it runs, and its clocks go on."""
        self.is_paused = True

    def resume(self) -> None:
        """Go on; all that became due meanwhile is due now."""
        self.is_paused = False
        self._loop.go_on(self.kept)

    def kill(self) -> None:
        """End at once: nothing it does from now on reaches anybody."""
        self.is_dead = True
        if self.is_paused:
            self.resume()
        for task in tuple(self._tasks):
            task.cancel()


def make_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """Make a task, as an event loop's task factory: processes know their own."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    context = options.get("context")
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.adopt(task)
    return task


@contextlib.contextmanager
def wall_clocks() -> Iterator[None]:
    """Make ``time.time`` return the wall clock of the process that asks, as long as this lasts."""
    real: Callable[[], float] = time.time

    def wall() -> float:
        process = PROCESS.get()
        return real() if process is None else process.time()

    with patch("time.time", wall):
        yield
