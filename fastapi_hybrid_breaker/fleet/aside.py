"""Blocking functions beside the event loop, in threads that keep nothing from ending."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

ASK_AGAIN_AFTER: Final = 10.0
"""Seconds after which a function that has not come back is called once more: a hang can be of one
connection, and the next call go well."""

MOST_THREADS: Final = 4
"""Calls of a name that may hang at once; no more are made then."""


@dataclass(frozen=True, slots=True)
class _Call:
    future: Future[Any]
    began: float


class Aside:
    """Runs each function in a daemon thread, one at a time under each name unless one hangs.

    Not in the event loop's own threads: they are few and belong to the application too, so that
    a name server or a token endpoint that hangs would soon have taken them all; and the end of the
    program would wait for them. Who asks while a function runs waits for the result of that run.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: dict[Hashable, list[_Call]] = {}

    def after_fork(self) -> None:
        """Forget what runs, in the child: its threads stayed with the parent."""
        self._running = {}

    async def run(self, name: Hashable, function: Callable[[], T]) -> T:
        """Call ``function`` and return its result; to be cancelled without ending it."""
        running = [one for one in self._running.get(name, ()) if not one.future.done()]
        now = self._clock()
        hangs = bool(running) and now - running[-1].began >= ASK_AGAIN_AFTER
        if not running or (hangs and len(running) < MOST_THREADS):
            future: Future[T] = Future()
            future.set_running_or_notify_cancel()  # it can be awaited by many: nobody cancels it
            running.append(_Call(future, now))
            threading.Thread(
                target=_call, args=(function, future), name=f"circuits: {name}", daemon=True
            ).start()
        self._running[name] = running
        wrapped: Any = asyncio.wrap_future(running[-1].future)
        result: T = await wrapped
        return result


def _call(function: Callable[[], T], future: Future[T]) -> None:
    try:
        result = function()
    except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
        future.set_exception(error)
    except BaseException as error:  # noqa: BLE001 - there, a SystemExit would end the event loop
        future.set_exception(RuntimeError(f"{type(error).__name__} in a thread"))
    else:
        future.set_result(result)
