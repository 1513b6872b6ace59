"""One stretch of exchange with the fleet: from a start to its stop, under one instance id."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Final

from .agenda import Agenda
from .errands import Errands
from .incoming import Incoming
from .knowledge import Knowledge
from .lane import Lane
from .listener import Listener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi_hybrid_breaker.calls.registry import Registry

    from .connection import Source
    from .status import SyncState
    from .wire import Names

log = logging.getLogger("fastapi_hybrid_breaker")

_WAIT_AT_START: Final = 1.0
_WAIT_TO_DRAIN: Final = 0.5
_WAIT_TO_CLOSE: Final = 1.0
"""Seconds: a service starts without Redis, and stops within two seconds whatever Redis does."""

_TRIES_TO_CLOSE: Final = 5

_PAUSE_AFTER_DEFECT: Final = 1.0

in_background: Final = ContextVar("hybrid_breaker_in_background", default=False)
"""Whether the running code is of a session's tasks, whatever those were started in."""


class Session:
    """The two tasks, what they share, and whether Redis answers. Belongs to one event loop."""

    def __init__(
        self,
        source: Source,
        names: Names,
        registry: Registry,
        clock: Callable[[], float],
        instance: str,
        report_every: float,
    ) -> None:
        self.instance = instance
        random = Random(instance)  # noqa: S311 - jitter
        self.knowledge = Knowledge(
            registry,
            Errands(registry.most + 1_000),
            instance=self.instance,
            clock=clock,
            random=random,
        )
        self.agenda = Agenda(
            self.knowledge,
            names,
            most_in_index=registry.most,
            report_every=report_every,
            random=random,
        )
        self._surroundings = registry.surroundings
        self.loop = asyncio.get_running_loop()
        self.state: SyncState = "isolated"
        self.since = time.time()
        self.sent = 0
        self._source = source
        self._is_listening = False
        self._is_warned = False
        self._ready = asyncio.Event()
        self._lane = Lane(
            source,
            self.agenda,
            clock=clock,
            random=random,
            works=self._lane_works,
            failed=self._failed,
        )
        self._listener = Listener(
            source,
            {names.channel: self._heard, names.signals: self._heard_signal},
            random=random,
            subscribed=self._subscribed,
            failed=self._listener_failed,
        )
        self.incoming = Incoming(self.loop, taken_in=self._look, failed=self.knowledge.defects.fail)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; returns when the fleet's state is known, or after a second without it."""
        self._surroundings.has_fleet = True
        self._tasks = [
            asyncio.create_task(self._keep(run), name=f"circuits: {name}")
            for name, run in (("lane", self._lane.run), ("listener", self._listener.run))
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_WAIT_AT_START):
                await self._ready.wait()

    async def stop(self) -> None:
        """Send what is left if Redis answers, then end everything."""
        try:
            if self.state == "connected":
                self.incoming.take_in()
                self.agenda.leave()
                self._lane.wake()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_WAIT_TO_DRAIN):
                        await self._lane.drained()
        finally:
            self._surroundings.leave()
            await self.end()

    async def end(self) -> None:
        """End the tasks at once."""
        for _ in range(_TRIES_TO_CLOSE):
            for task in self._tasks:
                task.cancel()
            # Python 3.11's wait_for, which redis-py sends with, can swallow a cancellation.
            if (
                not self._tasks
                or not (await asyncio.wait(self._tasks, timeout=_WAIT_TO_CLOSE / _TRIES_TO_CLOSE))[
                    1
                ]
            ):
                return

    def is_idle(self) -> bool:
        """Tell whether nothing waits to be looked at or to be sent."""
        return not self.incoming and self.agenda.is_idle()

    async def _keep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run until cancelled; a defect of ours must not end the sharing for good."""
        in_background.set(True)
        while True:
            try:
                await run()
            except Exception as error:
                log.exception("sharing circuits failed by a defect; trying again")
                self._failed(error)
                await asyncio.sleep(_PAUSE_AFTER_DEFECT)

    def _heard(self, data: object) -> None:
        with self.knowledge.contain("a message"):
            self.knowledge.hear(data)
        self._look()

    def _heard_signal(self, data: object) -> None:
        with self.knowledge.contain("a signal"):
            if self.knowledge.hear_signal(data):
                self._look()

    def _look(self) -> None:
        """Have the lane look if what was heard or taken in leaves something to do."""
        if self.agenda.next_due() != self._lane.expected:
            self._lane.wake()

    def _subscribed(self) -> None:
        self._is_listening = True
        self.agenda.read_all()
        self._lane.hurry()

    def _listener_failed(self, error: BaseException) -> None:
        self._is_listening = False
        self._failed(error)

    def _lane_works(self, answered: int, *, is_idle: bool) -> None:
        self.sent += answered
        if self._is_listening and is_idle:
            self._ready.set()
            if self.state != "connected":
                self._set("connected")
                if self._is_warned:
                    self._is_warned = False
                    log.warning("Redis at %s answers again: circuits are shared", self._source)

    def _failed(self, error: BaseException) -> None:
        if self.state == "connected":
            self._set("isolated")
        if not self._is_warned:
            self._is_warned = True
            log.warning(
                "Redis at %s is lost (%s: %s): circuits go on in memory, not shared",
                self._source,
                type(error).__name__,
                error,
            )

    def _set(self, state: SyncState) -> None:
        self.state, self.since = state, time.time()
        self._surroundings.is_connected = state == "connected"
