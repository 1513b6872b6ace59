"""Who is told of changes of state."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.states import StateChange

log = logging.getLogger("fastapi_hybrid_breaker")


class Listeners:
    """Plain functions that are called after each change; what they raise is logged."""

    def __init__(self) -> None:
        # One entry per subscription: the same listener may be on twice.
        self._listeners: dict[object, Callable[[StateChange], object]] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, listener: Callable[[StateChange], object]) -> Callable[[], None]:
        """Call ``listener`` from now on; the answer takes it off again.

        Raises:
            TypeError: it is not callable, or async.
        """
        given: object = listener
        if not callable(given) or iscoroutinefunction(given):
            raise TypeError(f"a listener is a plain function of one StateChange, not {listener!r}")
        subscription = object()
        self._listeners[subscription] = listener

        def undo() -> None:
            self._listeners.pop(subscription, None)

        return undo

    def tell(self, change: StateChange) -> None:
        """Tell all; whoever made the guarded call must not get their errors."""
        for listener in tuple(self._listeners.values()):
            try:
                listener(change)
            except (Exception, asyncio.CancelledError):  # such as a cancelled future's, asked
                with contextlib.suppress(Exception):  # a logging handler whose server is down
                    log.exception("a listener failed on %r", change)
