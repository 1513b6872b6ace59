"""How one process stands to Redis, and what is logged of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from .causes import Cause, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.peers import Peers

    from .connection import Source
    from .status import SyncState

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

_REMIND_EVERY: Final = 600.0
"""Seconds between two log lines about the same cause that time does not cure."""


_WAIT_AGAIN_AFTER: Final = 30.0
"""Seconds after a start that has waited for Redis in vain, for which others do not wait."""


class Outages:
    """What all sessions of a breaker have found of Redis, one after the other.

    Some environments start and stop with every request: they must neither log the same each time,
    nor wait for a server that is away each time.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._waited_at: float | None = None  # in vain

    def is_worth_waiting(self) -> bool:
        """Whether a start should wait for Redis."""
        waited_at = self._waited_at
        return waited_at is None or self._clock() - waited_at >= _WAIT_AGAIN_AFTER

    def waited(self, *, in_vain: bool) -> None:
        """Record that a start has waited, or that Redis answers."""
        self._waited_at = self._clock() if in_vain else None

    def is_due(self, cause: Cause) -> bool:
        """Whether to log it now; it counts as logged."""
        now = self._clock()
        last = self._said.get(cause.kind)
        if last is not None and now - last < _REMIND_EVERY:
            return False
        self._said[cause.kind] = now
        return True


class Standing:
    """Connected or isolated, since when and why. Belongs to one event loop; read from any thread.

    Args:
        source: where Redis is.
        peers: what circuits look at.
        outages: what sessions before have found.
    """

    def __init__(self, source: Source, peers: Peers, outages: Outages) -> None:
        self.state: SyncState = "isolated"
        self.since: float = time.time()
        self.error: str | None = f"Redis at {source} has not answered yet"
        self._source = source
        self._peers = peers
        self._outages = outages
        self._is_warned = False  # of the outage that lasts

    def connect(self) -> None:
        """Record that Redis answers."""
        self.error = None
        self._outages.waited(in_vain=False)
        if self.state == "connected":
            return
        self._set("connected")
        if self._is_warned:
            self._is_warned = False
            log.warning("Reconnected to Redis at %s; sharing circuit state again", self._source)

    def lose(self, error: BaseException) -> None:
        """Record that Redis cannot be used, and why."""
        fault = self._source.tls_fault(error)
        if fault is None:
            cause = explain(error, self._source, self._source.redact)
        else:
            cause = Cause(fault, f"Redis at {self._source} cannot be connected to: {fault}")
        self.isolate(cause.text)
        if cause.is_lasting:
            if self._outages.is_due(cause):
                self._is_warned = True
                log.error("%s; circuits continue in this process, state is not shared", cause.text)
        elif not self._is_warned:
            self._is_warned = True
            log.warning(
                "%s; circuits continue in this process, state is not shared. Retrying", cause.text
            )

    def isolate(self, why: str) -> None:
        """Record that nothing is shared at present; ``why`` is a sentence without secrets."""
        self.error = why
        if self.state == "connected":
            self._set("isolated")

    def _set(self, state: SyncState) -> None:
        self.state, self.since = state, time.time()
        self._peers.is_connected = state == "connected"
