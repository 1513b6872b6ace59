"""Handing measurements on, from wherever they come."""

from __future__ import annotations

import gc
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")


class Careful:
    """Calls the instruments so that no guarded call is harmed.

    The collector of garbage may finalize a generator that holds a permit, and so end a guarded
    call, while this very thread holds the lock of an instrument, which is not re-entrant. What
    comes during a collection waits for the next call after it.
    """

    def __init__(self) -> None:
        self._is_collecting = False
        self._is_logged = False
        self._waiting: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    def start(self) -> None:
        """Begin to look out for collections."""
        if self._note not in gc.callbacks:
            gc.callbacks.append(self._note)

    def stop(self) -> None:
        """End it."""
        if self._note in gc.callbacks:
            gc.callbacks.remove(self._note)

    def __call__(self, put: Callable[..., object], *args: Any) -> None:
        """Call ``put(*args)``, now or soon; what it raises is logged, the first time."""
        self.only(put, *args)
        if self._waiting:
            self.catch_up()

    def only(self, put: Callable[..., object], *args: Any) -> None:
        """Do the same without a look at what waits: for where a lock is held."""
        if self._is_collecting:
            self.later(put, *args)
        else:
            self._put(put, args)

    def later(self, put: Callable[..., object], *args: Any) -> None:
        """Call ``put(*args)`` with a next call."""
        self._waiting.append((put, args))

    def catch_up(self) -> None:
        """Hand on what has waited."""
        while self._waiting and not self._is_collecting:
            try:
                put, args = self._waiting.popleft()
            except IndexError:  # another thread was faster
                return
            self._put(put, args)

    def _put(self, put: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            put(*args)
        except Exception:
            if not self._is_logged:
                self._is_logged = True
                log.exception("measuring circuits failed; it is said only once")

    def _note(self, phase: str, _: dict[str, int]) -> None:
        self._is_collecting = phase == "start"
