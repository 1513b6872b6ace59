"""What callers hand to the fleet's part: put from any thread, taken in by one event loop alone."""

from __future__ import annotations

import contextlib
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

_MOST_AT_ONCE: Final = 128
"""Things that are taken in before other tasks of the loop have their turn."""


class Incoming:
    """The one way from guarded calls to the tables of the fleet's part, which have no locks.

    A caller can be a finalizer: the garbage collector runs those at any line of any thread, also
    amid the work of this class and of the tables. A lock that is not re-entrant would then be
    waited for by the thread that holds it, and under a re-entrant one a table would change amid
    its own change. So whoever comes only puts something into a queue that is re-entrant by design
    (``queue.SimpleQueue``), and wakes the loop unless it has been woken since it last looked.

    Args:
        loop: where everything is taken in.
        taken_in: called there when some of it has been.
        failed: called there with what could not be taken in, and why.
        context: where it is taken in, by default an empty one: never that of the call that
            happens to wake the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        taken_in: Callable[[], object],
        failed: Callable[[str, Exception], object],
        context: Context | None = None,
    ) -> None:
        self._loop = loop
        self._taken_in = taken_in
        self._failed = failed
        self._queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._is_woken = False
        self._touched: set[tuple[Circuit, str]] = set()
        self._context = context or Context()

    def __len__(self) -> int:
        return self._queue.qsize()

    def put(self, act: Callable[[], object]) -> None:
        """Call ``act`` on the loop; from any thread."""
        self._queue.put(act)
        if not self._is_woken:
            self._wake()

    def touch(self, circuit: Circuit, what: str, look: Callable[[], object]) -> None:
        """As ``put``, but once for all touches of a circuit until ``look`` is called."""
        touched = (circuit, what)
        if touched in self._touched:
            return
        self._touched.add(touched)

        def act() -> None:
            self._touched.discard(touched)  # first: what happens from now on is looked at again
            look()

        self.put(act)

    def take_in(self) -> None:
        """Do what was put, some at a time; on the loop."""
        self._is_woken = False  # first: whoever puts something from now on wakes the loop again
        for _ in range(_MOST_AT_ONCE):
            try:
                act = self._queue.get_nowait()
            except Empty:
                break
            try:
                act()
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs this one thing
                self._failed("what a call has left", error)
        else:
            self._wake()
        self._taken_in()

    def _wake(self) -> None:
        self._is_woken = True
        # RuntimeError: the loop is closed, and the process near its end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.take_in, context=self._context)
