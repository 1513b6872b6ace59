"""Changes of state on their way to the log and the listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.states import Cause, CircuitState

from .context import enter_permit, enter_request, leave_permit, leave_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.states import StateChange

    Listener = Callable[[StateChange], object]

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")


class ChangeQueue:
    """Delivers changes in their order, by one thread at a time, outside of every lock.

    A thread that finds another one delivering leaves its change to it; so does a listener that
    brings a change about: that one is delivered after the one it is told of.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[StateChange, bool]] = deque()
        # One entry for each subscription: the same listener may be on twice. It is changed and
        # copied in single steps only, for a finalizer may come here at any line.
        self._listeners: dict[object, Listener] = {}
        self.after_fork()

    def __len__(self) -> int:
        return len(self._listeners)

    def after_fork(self) -> None:
        """Start over, in the child: the thread that was delivering stayed with the parent."""
        self._turn = threading.Lock()
        self._queue.clear()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` from now on; returns a function that takes it off again.

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

    def put(self, change: StateChange, *, is_received: bool = False) -> None:
        """Queue a change; waits for nothing, so that it can be called under a circuit's lock.

        ``is_received``: another instance has decided it.
        """
        self._queue.append((change, is_received))

    def deliver(self) -> None:
        """Deliver all that is queued, unless somebody else does; not to be called under a lock."""
        # Asked again after giving up the turn: what was queued just before had nobody else.
        while self._queue and self._turn.acquire(blocking=False):
            # Listeners and logging handlers may make guarded calls. These are not part of the call
            # or request that brought a change about, which may even be another thread's.
            request, permit = enter_request(None), enter_permit(None)
            try:
                while self._queue:
                    self._tell(*self._queue.popleft())
            finally:
                leave_permit(permit)
                leave_request(request)
                self._turn.release()

    def _tell(self, change: StateChange, is_received: bool) -> None:  # noqa: FBT001
        with contextlib.suppress(Exception):  # a logging handler whose server is down
            log_change(change, is_received=is_received)
        for listener in self._listeners.copy().values():
            try:
                listener(change)
            except (Exception, asyncio.CancelledError):  # such as a cancelled future's, asked
                with contextlib.suppress(Exception):
                    log.exception("a listener failed on %r", change)


def explain(change: StateChange) -> str:
    """Return in words why a circuit changed, "" where nothing says: rule, error, reason."""
    evidence = change.evidence
    return "; ".join(part for part in (evidence.rule, evidence.error, evidence.reason) if part)


def _decided(change: StateChange, *, is_received: bool) -> str:
    """Return in words what decided a change; of one received, which instance did."""
    if not is_received:
        return str(change.cause)
    by = f"by instance {change.instance}"
    return by if change.cause is Cause.FLEET else f"{change.cause}, {by}"


def log_change(change: StateChange, *, is_received: bool = False) -> None:
    """Log a change: openings as warnings. Nothing is ever logged per call."""
    evidence = change.evidence
    why = explain(change)
    has_opened = change.new is CircuitState.OPEN and change.old is not CircuitState.OPEN
    log.log(
        logging.WARNING if has_opened else logging.INFO,
        "circuit %s: %s -> %s (%s)%s",
        change.key,
        change.old,
        change.new,
        _decided(change, is_received=is_received),
        f": {why}" if why else "",
        extra={
            "circuit_key": change.key,
            "circuit_old": str(change.old),
            "circuit_new": str(change.new),
            "circuit_cause": str(change.cause),
            "circuit_rule": evidence.rule,
            "circuit_failures": evidence.failures,
            "circuit_error": evidence.error,
            "circuit_by": evidence.by,
            "circuit_reason": evidence.reason,
            "circuit_instance": change.instance,
        },
    )
