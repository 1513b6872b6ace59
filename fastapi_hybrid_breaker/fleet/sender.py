"""The one background task that sends: all circuits, coalesced and pipelined."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from .connection import ANSWER_TIMEOUT, CONNECT_LIMIT, UNREACHABLE, close, hang_up, send
from .limit import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from redis.asyncio import Redis

    from .connection import Source
    from .exchange import Exchange
    from .work_item import Request

BATCH: Final = 50
"""Requests per round trip, about: making them, and taking their answers, is one piece of work each
between two turns of other tasks on the event loop."""

REPAIR_EVERY: Final = 30.0
"""Seconds, give or take a fifth, between two readings of what may have been missed."""

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
"""Seconds between tries while Redis does not answer: doubled each time, with jitter."""


class Works(Protocol):
    """See ``Sender``."""

    def __call__(self, *, is_idle: bool) -> None:
        """Record whether nothing is left to send."""


class Backoff:
    """The pauses between tries."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._pause = SHORTEST_PAUSE
        self._is_over = asyncio.Event()

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._pause = SHORTEST_PAUSE

    async def wait(self) -> None:
        """Wait, and longer the next time; the jitter keeps a fleet from knocking at once."""
        pause = self._random.uniform(self._pause / 2, self._pause)
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self._is_over.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._is_over.wait()

    def cut_short(self) -> None:
        """End the pause: there are signs that the server is back."""
        self._is_over.set()


class Sender:
    """Sends what the exchange gives and brings the answers back, until cancelled.

    ``works`` is called after each answered round trip with whether nothing is left to send;
    ``failed`` with what went wrong.
    """

    def __init__(
        self,
        source: Source,
        exchange: Exchange,
        *,
        works: Works,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._source = source
        self._exchange = exchange
        self._own = exchange.own
        self._works = works
        self._failed = failed
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._backoff = Backoff(exchange.own.random)
        self._is_answered = False  # the last round trip was
        self.answered: int = 0
        """How many commands have been answered."""
        self.expected: float | None = None
        """When the exchange was to have something, when it was last asked."""

    def wake(self) -> None:
        """Make the sender look for work; from its own event loop."""
        self._idle.clear()
        self._wake.set()

    def hurry(self) -> None:
        """Make the sender look for work, and try at once if it pauses."""
        self.wake()
        self._backoff.cut_short()

    async def drained(self) -> None:
        """Wait until there is nothing to send."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send until cancelled."""
        repair = self._next_repair()
        client = self._source.client()
        try:
            while True:
                requests = self._exchange.take(BATCH)
                if not requests:
                    repair = await self._rest(repair)
                    continue
                self._idle.clear()
                sent = self._own.clock()
                try:
                    answers = await self._send(client, requests)
                except BaseException as error:
                    self._exchange.put_back(requests)
                    # Answers may still be under way on it: no use for a next round trip.
                    await hang_up(client)
                    if not isinstance(error, UNREACHABLE):
                        raise
                    self._is_answered = False
                    self._failed(error)
                    await self._backoff.wait()
                    continue
                self._exchange.answered(requests, answers, sent, self._own.clock())
                self._backoff.reset()
                self._is_answered = True
                self.answered += len(requests)
                self._works(is_idle=self._exchange.next_due() != 0.0)
                await asyncio.sleep(0)
        finally:
            await close(client)

    async def _send(self, client: Redis, requests: Sequence[Request]) -> list[Any]:
        """Send requests and return their answers, within a limit of time for each round trip."""
        commands = [request.command for request in requests]
        if self._is_answered:
            return await send(client, commands, ANSWER_TIMEOUT)
        async with Limit(CONNECT_LIMIT, "no connection"):
            await self._source.look_up()
        return await send(client, commands, CONNECT_LIMIT)

    async def _rest(self, repair: float) -> float:
        """Wait for work, for a basic update that is due, or for the next repair."""
        now = self._own.clock()
        if now >= repair:
            self._exchange.rereading.repair()
            return self._next_repair()
        self._wake.clear()  # first: what comes from now on wakes it again
        due = self.expected = self._exchange.next_due()
        if self._exchange.is_idle():
            self._idle.set()
            if self._is_answered:  # what was left after the last answer may have become needless
                self._works(is_idle=True)
        until = repair if due is None else min(due, repair)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - now)):
                await self._wake.wait()
        return repair

    def _next_repair(self) -> float:
        return self._own.clock() + REPAIR_EVERY * self._own.random.uniform(0.8, 1.2)
