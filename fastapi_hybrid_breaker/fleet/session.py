"""One stretch of exchange with the fleet: from a start to its stop, under one instance id."""

from __future__ import annotations

import asyncio
import contextlib
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .ending import Ending
from .exchange import Exchange
from .incoming import Incoming
from .own_instance import OwnInstance
from .readiness import Readiness
from .sender import Sender
from .standing import Standing
from .subscriber import Listener
from .supervised import Supervised

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from fastapi_hybrid_breaker.circuits.circuit import Circuit
    from fastapi_hybrid_breaker.circuits.registry import Registry

    from .connection import Source
    from .names import Names
    from .propagation_lag import PropagationLag
    from .standing import Outages

_WAIT_AT_START: Final = 1.0
_WAIT_TO_DRAIN: Final = 0.5
_WAIT_TO_CLOSE: Final = 1.0
"""Seconds: a service starts without Redis, and stops within two seconds whatever Redis does."""

_LONGEST_STALL: Final = 3.0
"""Seconds. For a shorter time the event loop may stand still without a warning."""

_PIECE: Final = 200
"""Circuits that are prepared in a row, before other tasks of the loop have their turn."""


@dataclass(frozen=True)
class SessionSetup:
    """What all sessions of a breaker have in common.

    Args:
        source: where Redis is.
        names: the names there.
        registry: the circuits.
        clock: monotonic seconds.
        report_every: seconds between two reports of one circuit's failures, at least.
        new_instance: makes the name of a session's instance.
        lag: how late changes of others are; goes on from session to session.
        joined: called with what guarded calls hand over to, or None: nobody.
        outages: what sessions before have found of Redis.
        new_context: makes a context for what runs in the background: an empty one, so that it is
            part of nothing that happens to be going on where the breaker is started.
    """

    source: Source
    names: Names
    registry: Registry
    clock: Callable[[], float]
    report_every: float
    new_instance: Callable[[], str]
    lag: PropagationLag
    joined: Callable[[Incoming | None], object]
    outages: Outages
    new_context: Callable[[], Context] = Context


class Stall(NamedTuple):
    """An event loop that does not run: for how many seconds, and what to say of it."""

    seconds: float
    text: str


class Session:
    """The two tasks, what they share, and whether Redis answers. Belongs to one event loop.

    ``ended`` is called when all of it has ended, ``closed`` when its loop was closed before that.
    """

    def __init__(
        self,
        setup: SessionSetup,
        *,
        ended: Callable[[Session], object],
        closed: Callable[[], object],
    ) -> None:
        self._setup = setup
        own = OwnInstance(
            setup.new_instance(),
            setup.names,
            setup.registry,
            clock=setup.clock,
            report_every=setup.report_every,
            lag=setup.lag,
        )
        self.own: OwnInstance = own
        self.exchange: Exchange = Exchange(own)
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.standing: Standing = Standing(setup.source, own.registry.peers, setup.outages)
        self.ending: Ending = Ending(partial(ended, self))
        self._readiness = Readiness()
        self._sender = Sender(
            setup.source, self.exchange, works=self._sender_works, failed=self.standing.lose
        )
        channels = {
            setup.names.channel: self._received,
            setup.names.signals: self._received_signal,
        }
        self._listener = Listener(
            setup.source,
            channels,
            random=own.random,
            subscribed=self._subscribed,
            failed=self._listener_failed,
        )
        self.incoming: Incoming = Incoming(
            self.loop,
            self.exchange,
            taken_in=self._look,
            failed=own.faults.defects.fail,
            closed=closed,
            context=setup.new_context(),
        )
        self._tasks = (
            self._supervised("sends to Redis", self._sender.run, self.standing.isolate),
            self._supervised("listens to Redis", self._listener.run, self._listener_stopped),
        )

    def _supervised(
        self,
        name: str,
        run: Callable[[], Coroutine[Any, Any, None]],
        stopped: Callable[[str], object],
    ) -> Supervised:
        new_context, over = self._setup.new_context, self._task_is_over
        return Supervised(name, run, new_context=new_context, stopped=stopped, over=over)

    @property
    def instance(self) -> str:
        """The name of this process in the fleet."""
        return self.own.name

    @property
    def sent(self) -> int:
        """How many commands Redis has answered."""
        return self._sender.answered

    # -- beginning and ending -----------------------------------------------------------------

    def begin(self) -> None:
        """Begin to send and to listen, once no circuit stands on an earlier session any more."""
        peers = self.own.registry.peers
        peers.has_fleet, peers.instance = True, self.own.name
        self._setup.joined(self.incoming)
        self._readiness.wait_at_most(_WAIT_AT_START, self._setup.new_context())
        self._prepare(iter(self.own.registry))

    def _prepare(self, circuits: Iterator[Circuit]) -> None:
        """Make some more circuits forget what an earlier session knew, then begin.

        What that was still to send ended with it: a reset that was never sent would else have left
        a state that the fleet's version does not stand for.
        """
        if self.ending.is_begun:
            return
        piece = list(islice(circuits, _PIECE))
        for circuit in piece:
            if circuit._core.membership.version:  # none has, at a first start
                with circuit._hold() as core:
                    core.membership.forget_fleet()
        if len(piece) == _PIECE:
            context = self._setup.new_context()
            self.loop.call_soon(self._prepare, circuits, context=context)
            return
        for task in self._tasks:
            task.start()

    async def started(self) -> bool:
        """Wait until the fleet's state is known, a second at most; return whether it is."""
        return await self._readiness.reached()

    async def stop(self) -> None:
        """Send what is left if Redis answers, then end everything."""
        if not self.ending.is_stopping:  # else another stop sends what is left, and ends it
            self.ending.is_stopping = True  # first: nobody joins from now on
            try:
                await self._drain()
            finally:
                self.end()
        await self.ended()

    def end(self) -> None:
        """End everything without sending anything; ``ending`` says when that has happened."""
        self.ending.is_stopping = True
        self._readiness.give_up()
        if not self.ending.is_begun:
            self.ending.is_begun = True
            self.ending.note_unsent(self.own)
            self.own.registry.peers.leave()
        for task in self._tasks:
            task.end()

    def stands_still(self) -> Stall | None:
        """Return for how long its event loop has not run, if it does not; from any thread."""
        seconds = self.loop.time() - self._listener.looked_at
        if seconds < _LONGEST_STALL or self.standing.state != "connected" or _is_here(self.loop):
            return None
        return Stall(
            seconds,
            f"nothing has been sent or heard for {seconds:.0f} seconds: the event loop in which the"
            " breaker was started does not run, or something blocks it",
        )

    async def ended(self) -> None:
        """Wait until all of it has ended; about a second at most. From any event loop."""
        await asyncio.wait({asyncio.wrap_future(self.ending.over)}, timeout=2 * _WAIT_TO_CLOSE)

    async def _drain(self) -> None:
        if self.standing.state == "connected":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_TO_DRAIN):
                    while self.incoming:  # some at a time
                        self.incoming.take_in()
                        await asyncio.sleep(0)
                    self.exchange.leave()
                    self._sender.wake()
                    await self._sender.drained()

    def _task_is_over(self) -> None:
        if self.ending.is_begun and all(task.is_over for task in self._tasks):
            self.ending.finish()

    # -- what the two tasks report --------------------------------------------------------------

    def is_idle(self) -> bool:
        """Return whether nothing waits to be looked at or to be sent."""
        return not self.incoming and self.exchange.is_idle()

    def _look(self) -> None:
        """Make the sender look if what was received or taken in leaves something to do."""
        if self.exchange.next_due() != self._sender.expected:
            self._sender.wake()

    def _received(self, data: object) -> None:
        with self.own.faults.contain("a message"):
            self.exchange.inbox.receive(data)
        self._look()

    def _received_signal(self, data: object) -> None:
        with self.own.faults.contain("a signal"):
            if self.exchange.inbox.receive_signal(data):
                self._look()

    def _subscribed(self) -> None:
        self._readiness.is_listening = True
        self.exchange.read_all()
        self._sender.hurry()

    def _listener_failed(self, error: BaseException) -> None:
        self._readiness.is_listening = False
        self.standing.lose(error)

    def _listener_stopped(self, why: str) -> None:
        self._readiness.is_listening = False
        self.standing.isolate(why)

    def _sender_works(self, *, is_idle: bool) -> None:
        if self._readiness.is_listening and is_idle and not self.ending.is_begun:
            self._readiness.reach()
            self.standing.connect()


def _is_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
