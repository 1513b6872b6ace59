"""The exchange with the fleet, as the breaker sees it: on or off, told and asked."""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .errand import resolve
from .first_use import FIRST_WORD
from .learning import Learning
from .status import SyncStatus
from .wire import Names

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis.asyncio

    from fastapi_hybrid_breaker.calls.circuit_object import Circuit
    from fastapi_hybrid_breaker.calls.hub import Reach
    from fastapi_hybrid_breaker.calls.registry import Registry
    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import Override, OverrideView
    from fastapi_hybrid_breaker.core.states import CircuitStats

    from .agenda import Agenda
    from .connection import Source
    from .instances import Instance
    from .session import Session

T = TypeVar("T")


def _source_of(source: str | redis.asyncio.Redis | Source) -> Source:
    """Return where Redis is.

    Raises:
        ValueError, TypeError: see ``Source``.
    """
    from .connection import Source  # noqa: PLC0415 - imports the client of Redis

    return source if isinstance(source, Source) else Source(source)


def _new_instance() -> str:
    return secrets.token_hex(8)


_WAIT_FOR_ANSWER: Final = 1.0
"""Seconds that a reset or a look-up waits for Redis at most."""

_left_behind: list[Session] = []
"""Sessions of a parent process: in a child they are neither used nor ended (their sockets are
the parent's), and ending them by garbage collection would warn."""


class FleetSync:
    """Starts and stops the sessions, and is silent without one.

    ``start`` is counted per event loop. The first loop has the session; on a second one, while
    the first runs, circuits work on this process's memory, which both loops share anyway.
    """

    def __init__(
        self,
        source: str | redis.asyncio.Redis | Source | None,
        *,
        namespace: str,
        registry: Registry,
        clock: Callable[[], float],
        new_instance: Callable[[], str] = _new_instance,
        report_every: float = 0.1,
    ) -> None:
        self._source = None if source is None else _source_of(source)
        self._new_instance = new_instance
        self._report_every = report_every
        self._names = Names(namespace)
        self._registry = registry
        self._clock = clock
        self._session: Session | None = None
        self._since = time.time()
        self.learning = Learning()
        self._starts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, int] = (
            weakref.WeakKeyDictionary()
        )

    async def start(self) -> None:
        """Begin, unless this loop has begun before; returns within about a second."""
        loop = asyncio.get_running_loop()
        self._starts[loop] = self._starts.get(loop, 0) + 1
        if self._session is not None and self._session.loop.is_closed():
            self._session = None  # its loop ended without a stop
        if self._source is None or self._session is not None:
            return
        # What an earlier session knew, or was still to tell, ended with it: a reset that was never
        # sent would else have left a state that the fleet's version does not stand for.
        for circuit in self._registry:
            circuit.forget_fleet()
        from .session import Session  # noqa: PLC0415 - imports the client of Redis

        # The name is made at start, never at import: processes fork.
        self._session = Session(
            self._source,
            self._names,
            self._registry,
            self._clock,
            self._new_instance(),
            self._report_every,
        )
        self._session.knowledge.learning = self.learning
        self.learning.start()
        await self._session.start()

    async def stop(self) -> None:
        """End, if this is the last stop of the loop that has the session."""
        loop = asyncio.get_running_loop()
        left = self._starts.get(loop, 0) - 1
        if left > 0:
            self._starts[loop] = left
            return
        self._starts.pop(loop, None)
        session = self._session
        if session is not None and session.loop is loop:
            try:
                await session.stop()
            finally:
                if self._session is session:
                    self._session, self._since = None, time.time()

    @property
    def namespace(self) -> str:
        """What stands before every name in Redis."""
        return self._names.namespace

    @property
    def instance(self) -> str:
        """This process's name in the fleet; "" while there is no session."""
        return "" if self._session is None else self._session.instance

    def status(self) -> SyncStatus:
        """Tell how the exchange stands."""
        session = self._session
        if session is None:
            return SyncStatus(
                "disabled", self._since, "", 0, 0, 0, corrected=self.learning.corrected
            )
        knowledge = session.knowledge
        return SyncStatus(
            state=session.state,
            since=session.since,
            instance=session.instance,
            sent=session.sent,
            received=knowledge.received,
            dropped=knowledge.dropped.count + knowledge.defects.count + knowledge.errands.refused,
            queued=len(knowledge.errands) + len(session.incoming),
            lag=self.learning.lag,
            corrected=self.learning.corrected,
            orders=knowledge.orders.keys(),
        )

    def made(self, key: str) -> None:
        """Read a circuit used for the first time, before its first call; from any thread.

        The fleet may know it to be open, or be counting failures that a success here would end.
        """
        if (session := self._session) is not None:
            if (circuit := self._registry.get(key)) is not None:
                circuit.listen(FIRST_WORD)
            session.incoming.put(partial(session.agenda.read, key, self._clock()))

    def changed(self, circuit: Circuit) -> None:
        """Propose a circuit's change to the fleet; from any thread."""
        if (session := self._session) is not None:
            look = partial(session.agenda.changed, circuit, circuit.rejected)
            session.incoming.touch(circuit, "changed", look)

    def stirred(self, circuit: Circuit) -> None:
        """Look at what calls have made of a circuit, for the fleet to hear; from any thread."""
        if (session := self._session) is not None:
            look = partial(session.agenda.stirred, circuit, circuit.rejected)
            session.incoming.touch(circuit, "stirred", look)

    async def reset(
        self, key: str, proposal: Proposal | None, by: str, reason: str, *, ramp: bool = False
    ) -> tuple[Reach, OverrideView | None]:
        """Reset a circuit in the fleet, and return the override that the fleet has on it.

        ``proposal`` is what the reset made of it here.
        """
        session = self._session
        if session is None:
            return "local", None
        return await _ordered(
            session, lambda: session.agenda.reset(key, proposal, by, reason, ramp=ramp)
        )

    async def override(self, key: str, override: Override | None, by: str, reason: str) -> Reach:
        """Set or clear (None) an override in the fleet."""
        session = self._session
        if session is None:
            return "local"
        overrides = session.agenda.overrides
        reach, _ = await _ordered(session, lambda: overrides.order(key, override, by, reason))
        return reach

    async def instances(self) -> list[Instance] | None:
        """Give the instances of the fleet; None where Redis does not tell."""
        return await self._ask(lambda agenda: agenda.heartbeat.ask())

    async def open_at(self, key: str) -> tuple[str, ...]:
        """Give the instances that have a circuit open for themselves alone."""
        return await self._ask(lambda agenda: agenda.votes.ask(key)) or ()

    async def peek(self, key: str, config: CircuitConfig) -> CircuitStats | None:
        """Read a circuit's figures from Redis; None where it has none, or does not answer."""
        heard = await self._ask(lambda agenda: agenda.peek(key))
        session = self._session
        if heard is None or session is None:
            return None
        return heard.stats(config, time.time(), session.knowledge.server_now())

    async def _ask(self, question: Callable[[Agenda], Future[T | None]]) -> T | None:
        """Ask Redis for something to show; None where it does not answer."""
        session = self._session
        if session is None or session.state != "connected":
            return None
        try:
            return await _answer(session, lambda: question(session.agenda))
        except TimeoutError:
            return None

    def after_fork(self) -> None:
        """Leave what runs to the parent and wait for a start in this process."""
        if self._session is not None:
            _left_behind.append(self._session)
        self._session = None
        self._registry.surroundings.leave()
        self._starts = weakref.WeakKeyDictionary()


async def _ordered(
    session: Session, order: Callable[[], Future[T | None]]
) -> tuple[Reach, T | None]:
    """Give an order to the fleet; return how far it has come within a second, and its answer."""
    try:
        return "fleet", await _answer(session, order)
    except TimeoutError:
        return "queued", None


async def _answer(session: Session, ask: Callable[[], Future[T]]) -> T:
    """Have the session ask, and wait for the answer, for a second at most.

    Raises:
        TimeoutError: there is none yet.
    """
    answer: Future[T] = Future()

    def begin() -> None:
        ask().add_done_callback(lambda done: resolve(answer, done.result()))

    session.incoming.put(begin)
    # Wrapped in the caller's loop, which need not be the session's.
    async with asyncio.timeout(_WAIT_FOR_ANSWER):
        wrapped: Any = asyncio.wrap_future(answer)
        result: T = await wrapped
        return result
