"""A thread that tells circuits when an open time is nearly over: so no rejection has to look."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import weakref
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

from fastapi_hybrid_breaker import forks

if TYPE_CHECKING:
    from collections.abc import Callable

LEAD: Final = 0.05
"""Seconds before the end of an open time from which calls look at the clock: threads wake late."""

_LONGEST: Final = 3600.0
"""Seconds for which the thread sleeps at most: a lock takes no infinite ones."""


class Ringable(Protocol):
    """What waits for the bell."""

    def ring(self) -> None:
        """Look at the clock from now on."""


_Entry = tuple[float, int, "weakref.ref[Ringable]"]


class Bell:
    """Rings whoever asked for it, at the time asked for; late if the process has no time for it.

    Its thread begins when the first one asks, and ends with the process. A thread, since there
    may be no event loop, or one that ends before the open time does.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._numbers = itertools.count()
        self.after_fork()
        forks.note(self)

    def after_fork(self) -> None:
        """Start over, in the child: the thread stayed with the parent."""
        self._starting = threading.Lock()
        self._asked: SimpleQueue[_Entry] = SimpleQueue()  # may be filled by a finalizer, too
        self._thread: threading.Thread | None = None

    def note(self, at: float, one: Ringable) -> bool:
        """Have ``one`` rung at ``at``; False: it will not be, for now no thread is to be had.

        Never waits for a lock. What is gone by then is not rung.
        """
        if (self._thread is None or not self._thread.is_alive()) and not self._start():
            return False
        self._asked.put((at, next(self._numbers), weakref.ref(one)))
        return True

    def _start(self) -> bool:
        if not self._starting.acquire(blocking=False):
            return False
        try:
            if self._thread is not None and self._thread.is_alive():
                return True  # another thread was quicker
            thread = threading.Thread(
                target=_ring, args=(self._asked, self.clock), name="circuit-bell", daemon=True
            )
            thread.start()
            self._thread = thread
        except RuntimeError:  # too many threads, or the interpreter ends
            return False
        finally:
            self._starting.release()
        return True


def _ring(asked: SimpleQueue[_Entry], clock: Callable[[], float]) -> None:
    waiting: list[_Entry] = []
    while True:
        sleep = min(_LONGEST, max(0.0, waiting[0][0] - clock())) if waiting else None
        try:
            heapq.heappush(waiting, asked.get(timeout=sleep))
        except Empty:
            while waiting and waiting[0][0] <= clock():
                _ring_one(heapq.heappop(waiting)[2])


def _ring_one(ref: weakref.ref[Ringable]) -> None:
    one = ref()
    if one is not None:
        one.ring()


THE_BELL: Final = Bell()
"""One for all breakers of the process that go by its clock."""
