"""A background task that goes on, whoever ends it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextvars import Context

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

_RESTART_AFTER: Final = 1.0
_MOST_RESTARTS: Final = 3
_WITHIN: Final = 60.0
"""Seconds, a number, and seconds: so often a task is started again, so long after its end."""

_CANCEL_EVERY: Final = 0.2
_TRIES_TO_CANCEL: Final = 5
"""Seconds between, and number of, the attempts to end a task: Python 3.11's ``wait_for``, with
which redis-py sends, can swallow a cancellation."""


_LAST_TASKS: Final = frozenset({"shutdown_asyncgens", "shutdown_default_executor"})
"""What ``asyncio.run`` waits for at its end, after it has cancelled all tasks."""


_LONGEST_END: Final = 30
"""Seconds, about, for which tasks that have all been cancelled count as the end of their loop: a
task can go on for ever in spite of it."""


def is_ending(loop: asyncio.AbstractEventLoop, *, looks: int = 0) -> bool:
    """Whether a loop, in which this is called, is about to be closed.

    It waits for its threads, or for its tasks, all of which have been cancelled. What is started on
    it now would never be ended.

    Args:
        loop: the running one.
        looks: how often this was found before. Tasks that have been cancelled can go on for ever;
            and where there are none at all, the loop is in its last turns or has callbacks only.
    """
    tasks = asyncio.all_tasks(loop)
    if any(getattr(task.get_coro(), "__name__", "") in _LAST_TASKS for task in tasks):
        return True
    if not tasks:
        return looks == 0
    return looks < _LONGEST_END and all(task.cancelling() for task in tasks)


class Supervised:
    """Runs something in a task until ``end``; a task that ends before is started again.

    Not one of the things that watch over the task is a task itself: whoever cancels all tasks of
    the loop ends none of them.

    Args:
        name: what the task does, for its name and for log lines.
        run: makes the coroutine.
        new_context: makes the context to run in.
        stopped: called with a sentence each time when the task ends unasked.
        over: called once the task has ended after ``end``, or does not in spite of it.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], Coroutine[Any, Any, None]],
        *,
        new_context: Callable[[], Context],
        stopped: Callable[[str], object],
        over: Callable[[], object],
    ) -> None:
        self._name = name
        self._run = run
        self._new_context = new_context
        self._stopped = stopped
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._restarts: deque[float] = deque(maxlen=_MOST_RESTARTS)  # when there were
        self._postponed = 0
        self._is_ending = False
        self.is_over: bool = False

    def start(self) -> None:
        """Begin."""
        context = self._new_context()
        # Not by the argument ``context``, which task factories made for Python 3.10 do not take.
        self._task = context.run(
            self._loop.create_task, self._run(), name=f"circuits: {self._name}"
        )
        # In a context of its own: the task's is in use while the task runs.
        self._task.add_done_callback(self._ended, context=self._new_context())

    def end(self) -> None:
        """End the task; ``over`` is called when it has."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None or self._task.done():
            self._finish()
        else:
            self._cancel(_TRIES_TO_CANCEL)

    def _cancel(self, tries: int) -> None:
        if self.is_over:
            return
        if not tries:
            self._finish()
            return
        if self._task is not None:
            self._task.cancel()
        self._timer = self._later(_CANCEL_EVERY, lambda: self._cancel(tries - 1))

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.is_over:
            self.is_over = True
            self._over()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._is_ending:
            self._finish()
            return
        if error is None:
            how = "was cancelled by something outside of this library"
            self._stopped(f"the background task that {self._name} {how}")
        else:
            how = "failed by an internal error (please report)"
            self._stopped(f"the background task that {self._name} {how}: {type(error).__name__}")
            log.error("the background task that %s %s", self._name, how, exc_info=error)
        # Logged then: at the end of a program all tasks are cancelled, which is worth no line.
        self._timer = self._later(_RESTART_AFTER, lambda: self._look_again(how))

    def _look_again(self, how: str) -> None:
        """Restart in the next turn of the loop: if this one was to be its last, that never comes.

        Or it comes when the loop runs again, to end for good.
        """
        context = self._new_context()
        self._timer = self._loop.call_soon(lambda: self._restart(how), context=context)

    def _restart(self, how: str) -> None:
        if is_ending(self._loop, looks=self._postponed):
            self._postponed += 1
            self._timer = self._later(_RESTART_AFTER, lambda: self._look_again(how))
            return
        now = self._loop.time()
        if len(self._restarts) == _MOST_RESTARTS and (
            (wait := self._restarts[0] + _WITHIN - now) > 0
        ):
            log.error(
                "the background task that %s %s, for the fourth time within a minute: circuits"
                " continue in this process, state is not shared; trying again in %.0f seconds",
                self._name,
                how,
                wait,
            )
            self._timer = self._later(wait, lambda: self._look_again(how))
            return
        log.error("the background task that %s %s; it is started again", self._name, how)
        self._restarts.append(now)
        self._postponed = 0
        self.start()

    def _later(self, seconds: float, what: Callable[[], object]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, what, context=self._new_context())
