"""The exchange with the fleet, as the breaker sees it: started and stopped, given and asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from concurrent.futures import Future
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .names import Names
from .propagation_lag import PropagationLag
from .status import SyncStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis.asyncio

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.host import Reach
    from fastapi_hybrid_breaker.circuits.registry import Registry
    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.news import Proposal
    from fastapi_hybrid_breaker.core.override import Override, OverrideView
    from fastapi_hybrid_breaker.core.states import CircuitStats

    from .connection import Source
    from .exchange import Exchange
    from .incoming import Incoming
    from .instances import Instance
    from .session import Session
    from .starts import Starts

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

T = TypeVar("T")


def _source_of(source: str | redis.asyncio.Redis | Source) -> Source:
    """Return where Redis is.

    Raises:
        ValueError, TypeError: see ``Source``.
    """
    from .connection import Source  # noqa: PLC0415 - imports the client of Redis

    return source if isinstance(source, Source) else Source(source)


def _ignore(circuit: Circuit) -> None:
    """Do nothing: there is no session."""


def _new_instance() -> str:
    return secrets.token_hex(8)


_WAIT_FOR_ANSWER: Final = 1.0
"""Seconds that a reset or a look-up waits for Redis at most."""

NOT_STARTED: Final = (
    "circuits are not shared: redis= is given, but the breaker has never been started in this"
    " process. The lifespan of the application that it is installed on does not run (it is mounted"
    " in another one, replaced, or switched off on the server): have it run, or call"
    " `await breaker.start()`"
)


class FleetSync:
    """Starts and stops the sessions, and is silent without one.

    ``start`` is counted per event loop, see ``Starts``.
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
        new_context: Callable[[], Context] = Context,
    ) -> None:
        self._names = Names(namespace)
        self._registry = registry
        self._clock = clock
        self.lag: PropagationLag = PropagationLag()
        self.changed: Callable[[Circuit], object] = _ignore
        """Proposes a circuit's change to the fleet; from any thread."""
        self.touched: Callable[[Circuit], object] = _ignore
        """Looks at what calls have made of a circuit, for the fleet to know; from any thread."""
        self._starts: Starts | None = None  # without Redis there is nothing to start
        if source is not None:
            # Here, since it imports the client of Redis.
            from .session import SessionSetup  # noqa: PLC0415
            from .standing import Outages  # noqa: PLC0415
            from .starts import Starts  # noqa: PLC0415

            setup = SessionSetup(
                source=_source_of(source),
                names=self._names,
                registry=registry,
                clock=clock,
                report_every=report_every,
                new_instance=new_instance,
                lag=self.lag,
                joined=self._joined,
                outages=Outages(clock),
                new_context=new_context,
            )
            self._starts = Starts(setup)
        self._made_at = time.time()
        self._await_start()

    def _joined(self, incoming: Incoming | None) -> None:
        """Make calls hand their reports to the session that has begun; None: to nobody."""
        self.changed = _ignore if incoming is None else incoming.changed
        self.touched = _ignore if incoming is None else incoming.touched

    async def start(self) -> None:
        """Begin, unless it has begun already; returns within about a second."""
        if self._starts is not None:
            self._was_started = True
            self._registry.peers.awaits_start = False
            await self._starts.start()

    async def stop(self) -> None:
        """End, if this is the last stop of the loop that has the session."""
        if self._starts is not None:
            await self._starts.stop()

    def called_unstarted(self) -> None:
        """Log the first guarded call before any start, once; from any thread."""
        self._registry.peers.awaits_start = False
        with contextlib.suppress(IndexError):
            log.warning("%s", self._unsaid.pop())

    def _await_start(self) -> None:
        """Make the first guarded call report it if there is no start before."""
        self._was_started = False
        # A list, for taking from it is one step: of threads that call at once, one logs it.
        self._unsaid = [NOT_STARTED]
        self._registry.peers.awaits_start = self._starts is not None

    @property
    def _session(self) -> Session | None:
        return None if self._starts is None else self._starts.session()

    @property
    def namespace(self) -> str:
        """What stands before every name in Redis."""
        return self._names.namespace

    @property
    def instance(self) -> str:
        """This process's name in the fleet; "" while there is no session."""
        return "" if (session := self._session) is None else session.instance

    def status(self) -> SyncStatus:
        """Return how the exchange stands."""
        session = self._session
        if session is None:
            return self._status_without()
        own = session.own
        state, since, error = session.standing.state, session.standing.since, session.standing.error
        if (stall := session.stands_still()) is not None:
            state, since, error = "isolated", max(since, time.time() - stall.seconds), stall.text
        return SyncStatus(
            state=state,
            since=since,
            instance=session.instance,
            sent=session.sent,
            received=session.exchange.inbox.received,
            dropped=sum(
                (
                    own.faults.dropped.count,
                    own.server.far.count,
                    own.faults.defects.count,
                    own.work.refused,
                )
            ),
            queued=len(own.work) + len(session.incoming),
            lag=self.lag.lag,
            corrected=self.lag.corrected,
            orders=own.work.operations.keys(),
            error=error,
        )

    def _status_without(self) -> SyncStatus:
        """Return how it stands without a session."""
        starts = self._starts
        error = None
        if starts is not None:
            error = starts.loss if self._was_started else NOT_STARTED
        return SyncStatus(
            "disabled",
            self._made_at if starts is None else starts.since,
            "",
            0,
            0,
            0,
            corrected=self.lag.corrected,
            error=error,
        )

    def made(self, key: str) -> None:
        """Read a circuit used for the first time, before its first call; from any thread.

        The fleet may know it to be open, or be counting failures that a success here would end.
        """
        if (session := self._session) is not None:
            from .first_use import FIRST_WORD  # noqa: PLC0415 - only for a session

            if (circuit := self._registry.get(key)) is not None:
                now = circuit._clock()
                with circuit._hold() as core:
                    core.membership.calls.listen(now, now + FIRST_WORD)
            session.incoming.put(partial(session.exchange.read, key, self._clock()))

    async def reset(
        self, key: str, proposal: Proposal | None, by: str, reason: str, *, ramp: bool = False
    ) -> tuple[Reach, OverrideView | None]:
        """Reset a circuit in the fleet, and return the override that the fleet has on it.

        ``proposal`` is what the reset made of it here.
        """
        session = self._session
        if session is None:
            return "local", None
        return await _operated(
            session, lambda: session.exchange.circuits.reset(key, proposal, by, reason, ramp=ramp)
        )

    async def override(self, key: str, override: Override | None, by: str, reason: str) -> Reach:
        """Set or clear (None) an override in the fleet."""
        session = self._session
        if session is None:
            return "local"
        overrides = session.exchange.overrides
        reach, _ = await _operated(session, lambda: overrides.order(key, override, by, reason))
        return reach

    async def instances(self) -> list[Instance] | None:
        """Return the instances of the fleet; None where Redis does not tell."""
        return await self._ask(lambda exchange: exchange.heartbeat.ask())

    async def open_at(self, key: str) -> tuple[str, ...]:
        """Return the instances that have a circuit open for themselves alone."""
        return await self._ask(lambda exchange: exchange.votes.ask(key)) or ()

    async def peek(self, key: str, config: CircuitConfig) -> CircuitStats | None:
        """Read a circuit's figures from Redis; None where it has none, or does not answer."""
        heard = await self._ask(lambda exchange: exchange.circuits.peek(key))
        session = self._session
        if heard is None or session is None:
            return None
        return heard.stats(config, time.time(), session.own.server.now())

    async def _ask(self, question: Callable[[Exchange], Future[T | None]]) -> T | None:
        """Ask Redis for something to show; None where it does not answer."""
        session = self._session
        if session is None or session.standing.state != "connected":
            return None
        try:
            return await _answer(session, lambda: question(session.exchange))
        except TimeoutError:
            return None

    def after_fork(self) -> None:
        """Leave what runs to the parent and wait for a start in this process."""
        if self._starts is not None:
            self._starts.after_fork()
        self._registry.peers.leave()
        self._await_start()


async def _operated(
    session: Session, begin: Callable[[], Future[T | None]]
) -> tuple[Reach, T | None]:
    """Begin an operation; return how far it has come within a second, and its answer."""
    try:
        return "fleet", await _answer(session, begin)
    except TimeoutError:
        return "queued", None


async def _answer(session: Session, ask: Callable[[], Future[T]]) -> T:
    """Make the session ask, and wait for the answer, for a second at most.

    Raises:
        TimeoutError: there is none yet.
    """
    answer: Future[T] = Future()

    from .work_item import resolve  # noqa: PLC0415 - only for a session

    def begin() -> None:
        ask().add_done_callback(lambda done: resolve(answer, done.result()))

    session.incoming.put(begin)
    # Wrapped in the caller's loop, which need not be the session's.
    async with asyncio.timeout(_WAIT_FOR_ANSWER):
        wrapped: Any = asyncio.wrap_future(answer)
        result: T = await wrapped
        return result
