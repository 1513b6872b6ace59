"""Changes of state on their way to the log and the listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from asyncio import _get_running_loop
from collections import deque
from contextvars import Context, copy_context
from functools import partial
from inspect import iscoroutinefunction
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from fastapi_hybrid_breaker.core.states import Cause, CircuitState

from .context import enter_permit, enter_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.states import StateChange

    Listener = Callable[[StateChange], object]

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")


_SLICE: Final = 0.002
"""Seconds of one turn of an event loop in which changes are delivered; the next turn goes on."""

_AT_ONCE: Final = 16
"""Changes that are delivered at once in each turn, however long that takes."""


class Slice(NamedTuple):
    """The part of a turn of an event loop in which changes are delivered."""

    loop: int  # its ``id``
    until: float  # by the queue's clock


class Continuation:
    """Is called by the next turn of an event loop, or at once if that is closed before."""

    __slots__ = ("_resume",)

    def __init__(self, resume: Callable[[], None]) -> None:
        self._resume: Callable[[], None] | None = resume

    def __call__(self) -> None:
        """Call what is to be called, the first time."""
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def __del__(self) -> None:
        self()


class ChangeQueue:
    """Delivers changes in their order, by one thread at a time, outside of every lock.

    A thread that finds another one delivering leaves its change to it; so does a listener that
    brings a change about: that one is delivered after the one it is called for.

    Of a thousand changes in one turn of an event loop the first few are delivered at once, and the
    others in slices, between which other tasks have their turn. Whoever delivers from elsewhere
    meanwhile delivers these first.

    Args:
        clock: seconds, to measure slices with.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._queue: deque[tuple[StateChange, bool]] = deque()
        # The listeners that have yet to be called for the change that was taken from the queue.
        self._calls: deque[tuple[Listener, StateChange]] = deque()
        # One entry for each subscription: the same listener may be on twice. It is changed and
        # copied in single steps only, for a finalizer may come here at any line.
        self._listeners: dict[object, Listener] = {}
        self.after_fork()

    def __len__(self) -> int:
        return len(self._listeners)

    def after_fork(self) -> None:
        """Start over, in the child: the thread that was delivering stayed with the parent."""
        self._turn = threading.RLock()
        self._slice: Slice | None = None
        self._at_once = _AT_ONCE  # changes until a slice begins, and then until its time counts
        self._queue.clear()
        self._calls.clear()

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

    def deliver(self, *, everything: bool = False) -> None:
        """Deliver what is queued, unless somebody else does; not to be called under a lock.

        Args:
            everything: now, and not in slices.
        """
        turn = self._turn
        if turn._is_owned():  # type: ignore[attr-defined] # noqa: SLF001 - as Condition
            return  # a listener's own change, for the one that is calling it
        # Asked again after giving up the turn: what was queued just before had nobody else.
        while (self._calls or self._queue) and (
            everything or self._slice is None or self._has_time()
        ):
            try:
                if not turn.acquire(blocking=False):
                    return
                # In a copy of the context: the collector of garbage may have brought this about
                # amid the setting of a variable, and another one set in the same context then
                # crashes CPython (seen in 3.11).
                copy_context().run(self._deliver_here, everything)
            finally:
                # Whether or not it was acquired: a signal's handler may raise in between. (And
                # nothing is called before it, not even suppress(): there it may raise again.)
                try:  # noqa: SIM105
                    turn.release()
                except RuntimeError:
                    pass

    def _deliver_here(self, everything: bool) -> None:  # noqa: FBT001 - for Context.run
        # Listeners and logging handlers may make guarded calls. These are not part of the call or
        # request that brought a change about, which may even be another thread's.
        enter_request(None)
        enter_permit(None)
        try:
            while (self._calls or self._queue) and (
                everything or self._slice is None or self._has_time()
            ):
                self._step()
        finally:
            if (self._calls or self._queue) and self._slice is None:
                self._begin_slice()  # a listener has raised what ends its thread

    def _step(self) -> None:
        """Log the next change, or call the next listener for it.

        A listener that raises what ends its thread stops no other one: those are still to be
        called.
        """
        if self._calls:
            listener, change = self._calls.popleft()
            try:
                listener(change)
            except (Exception, asyncio.CancelledError):  # such as a cancelled future's, asked
                with contextlib.suppress(Exception):
                    log.exception("a listener failed on %r", change)
            return
        change, is_received = self._queue.popleft()
        self._calls.extend(zip(self._listeners.copy().values(), repeat(change)))
        self._at_once -= 1
        if self._at_once <= 0:
            self._begin_slice()
        with contextlib.suppress(Exception):  # a logging handler whose server is down
            log_change(change, is_received=is_received)

    def _has_time(self) -> bool:
        """Return whether the slice allows one more step; on other threads it limits nothing."""
        part = self._slice
        return (
            part is None
            or self._at_once > 0
            or self._clock() < part.until
            or part.loop != id(_get_running_loop())
        )

    def _begin_slice(self) -> None:
        """Make an event loop that runs here go on in its next turn; begun twice does no harm."""
        loop = _get_running_loop()
        if self._slice is not None and self._slice.loop == id(loop):
            return
        self._at_once = _AT_ONCE
        if loop is not None:
            self._slice = part = Slice(id(loop), self._clock() + _SLICE)
            # In an empty context: that of the present call says nothing of later changes.
            loop.call_soon(Continuation(partial(self._end_slice, part)), context=Context())

    def _end_slice(self, part: Slice) -> None:
        """Deliver more, in the turn after that of ``part``."""
        if self._slice is part:
            self._slice, self._at_once = None, _AT_ONCE
        self.deliver()


def explain(change: StateChange) -> str:
    """Return in words why a circuit changed, "" where nothing says: rule, error, reason."""
    evidence = change.evidence
    return "; ".join(filter(None, (evidence.rule, evidence.error, evidence.reason)))


def _decided_elsewhere(change: StateChange) -> str:
    """Return in words what decided a change that was received, and which instance did."""
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
        _decided_elsewhere(change) if is_received else str(change.cause),
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
