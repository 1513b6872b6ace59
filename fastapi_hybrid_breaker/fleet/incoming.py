"""What callers hand to the fleet's part: put from any thread, taken in by one event loop alone."""

from __future__ import annotations

import contextlib
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

_MOST_AT_ONCE: Final = 128
"""Things that are taken in before other tasks of the loop have their turn."""


class Looks(Protocol):
    """Looks at what callers have left, on its event loop."""

    def changed(self, circuit: Circuit, rejected: int) -> object:
        """Look at a circuit's new state; ``rejected``: how many calls had been by then."""

    def touched(self, circuit: Circuit, rejected: int) -> object:
        """Look at what calls have made of a circuit; ``rejected`` is as in ``changed``."""


class Incoming:
    """The one way from guarded calls to the tables of the fleet's part, which have no locks.

    A caller can be a finalizer: the garbage collector runs those at any line of any thread, also
    amid the work of this class and of the tables. A lock that is not re-entrant would then be
    waited for by the thread that holds it, and under a re-entrant one a table would change amid
    its own change. So whoever comes only puts something into a queue that is re-entrant by design
    (``queue.SimpleQueue``), and wakes the loop unless it has been woken since it last looked.

    A circuit is looked at once for all that happens to it before.

    Args:
        loop: where everything is taken in.
        exchange: looks at circuits.
        taken_in: called there when some of it has been.
        failed: called there with what could not be taken in, and why.
        closed: called from any thread when the loop was closed without a stop.
        context: where it is taken in: never that of the call that happens to wake the loop.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        exchange: Looks,
        *,
        taken_in: Callable[[], object],
        failed: Callable[[str, Exception], object],
        closed: Callable[[], object],
        context: Context,
    ) -> None:
        self._loop = loop
        self._exchange = exchange
        self._taken_in = taken_in
        self._failed = failed
        self._closed = closed
        self._context = context
        self._queue: SimpleQueue[Callable[[], object] | tuple[Circuit, int, bool]] = SimpleQueue()
        self._touched: set[Circuit] = set()
        self._changed: set[Circuit] = set()
        self._is_woken = False

    def __len__(self) -> int:
        return self._queue.qsize()

    # -- from any thread --------------------------------------------------------------------

    def touched(self, circuit: Circuit) -> None:
        """Look at what calls have made of a circuit."""
        if self._loop.is_closed():
            self._closed()
        elif circuit not in self._touched:
            self._touched.add(circuit)  # first: the look may come at once
            self._queue.put((circuit, circuit.rejected, False))
            if not self._is_woken:
                self._wake()

    def changed(self, circuit: Circuit) -> None:
        """Look at a circuit's new state."""
        if self._loop.is_closed():
            self._closed()
        elif circuit not in self._changed:
            self._changed.add(circuit)
            self._queue.put((circuit, circuit.rejected, True))
            if not self._is_woken:
                self._wake()

    def put(self, act: Callable[[], object]) -> None:
        """Call ``act`` on the loop."""
        self._queue.put(act)
        if not self._is_woken:
            self._wake()

    def _wake(self) -> None:
        self._is_woken = True
        # RuntimeError: the loop was closed in this moment, and the process is near its end.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.take_in, context=self._context)

    # -- on the loop ------------------------------------------------------------------------

    def take_in(self) -> None:
        """Do what was put, some at a time."""
        self._is_woken = False  # first: whoever puts something from now on wakes the loop again
        for _ in range(_MOST_AT_ONCE):
            try:
                put = self._queue.get_nowait()
            except Empty:
                break
            try:
                if not isinstance(put, tuple):
                    put()
                    continue
                circuit, rejected, has_changed = put
                # The mark first: what happens from now on is looked at again.
                (self._changed if has_changed else self._touched).discard(circuit)
                look = self._exchange.changed if has_changed else self._exchange.touched
                look(circuit, rejected)
            except Exception as error:  # noqa: BLE001 - whatever it is, it costs this one thing
                self._failed("what a call has left", error)
        else:
            self._wake()
        self._taken_in()
