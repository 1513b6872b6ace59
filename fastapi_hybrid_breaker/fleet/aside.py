"""Blocking functions beside the event loop, in threads that keep nothing from ending."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Aside:
    """Runs each function in a daemon thread, one at a time under each name.

    Not in the event loop's own threads: they are few and belong to the application too, so that
    a name server or a token endpoint that hangs would soon have taken them all; and the end of the
    program would wait for them. Who asks while a function runs waits for the result of that run.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, Future[Any]] = {}

    def after_fork(self) -> None:
        """Forget what runs, in the child: its threads stayed with the parent."""
        self._running = {}

    async def run(self, name: Hashable, function: Callable[[], T]) -> T:
        """Call ``function`` and return its result; to be cancelled without ending it."""
        future: Future[T] | None = self._running.get(name)
        if future is None or future.done():
            future = self._running[name] = Future()
            future.set_running_or_notify_cancel()  # it can be awaited by many: nobody cancels it
            threading.Thread(
                target=_call, args=(function, future), name=f"circuits: {name}", daemon=True
            ).start()
        wrapped: Any = asyncio.wrap_future(future)
        result: T = await wrapped
        return result


def _call(function: Callable[[], T], future: Future[T]) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
