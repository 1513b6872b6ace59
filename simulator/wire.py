"""What lies between an instance and the server, and how a question goes there and back."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as SilentError

from fastapi_hybrid_breaker.fleet.connection import ANSWER_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server.server import Server

WIRE: Final = Context()
"""What is under way belongs to no process: it arrives although its sender or receiver stands."""


@dataclass
class Link:
    """The way between one instance and the server; what it is like can change at any time.

    Args:
        latency: seconds one way, at least; each passage takes up to twice as long.
        is_cut: nothing arrives, and nobody says so.
        is_dead: the process at its end was killed.
        drops, repeats, shuffles: the share of published messages that get lost, come twice, or
            come late and so in another order.
        loses_answers: the share of round trips whose answer gets lost after the work is done.
        lull: seconds for which a look at a quiet connection may last, whatever was asked for: the
            answers to pings come at its end. Saves most of the work of a calm fleet; not for a
            server that hangs.
    """

    latency: float = 0.001
    is_cut: bool = False
    is_dead: bool = False
    drops: float = 0.0
    repeats: float = 0.0
    shuffles: float = 0.0
    loses_answers: float = 0.0
    lull: float = 0.0

    def is_open(self, server: Server) -> bool:
        """Return whether anything passes."""
        return server.is_up and not self.is_cut and not self.is_dead


class Exchange:
    """A question to the server and its answer, each of which can get lost.

    Args:
        server: who is asked.
        link: the way there and back.
        work: what the server does when the question arrives, whoever waits for the answer.
    """

    def __init__(self, server: Server, link: Link, work: Callable[[], None]) -> None:
        self._server = server
        self._link = link
        self._work = work
        self._done: asyncio.Future[None] = server.loop.create_future()
        self._generation = server.generation

    async def answer(self) -> None:
        """Ask, and wait for the answer.

        Raises:
            LostError, SilentError: as the client library does.
        """
        if self._server.is_up:
            self._pass(self._arrive)
        else:
            self._pass(self._refuse)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._done
        except TimeoutError:
            raise SilentError("no answer") from None

    def _pass(self, then: Callable[[], None]) -> None:
        delay = self._link.latency * self._server.random.uniform(1, 2)
        self._server.loop.call_later(delay, then, context=WIRE)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)

    def _refuse(self) -> None:
        self._fail(LostError("connection refused"))

    def _is_reset(self) -> bool:
        """Return whether the server has been away since."""
        return not self._server.is_up or self._server.generation != self._generation

    def _arrive(self) -> None:
        if self._link.is_dead:
            return
        if self._is_reset():
            self._fail(LostError("the connection was reset"))
        elif not self._link.is_cut:
            self._server.when_awake(self._be_served)

    def _be_served(self) -> None:
        try:
            self._work()
        except Exception as defect:  # noqa: BLE001 - of the simulation: it has to be seen
            self._fail(defect)
            return
        if self._server.random.random() < self._link.loses_answers:
            self._fail(LostError("the answer got lost"))
        else:
            self._pass(self._return)

    def _return(self) -> None:
        if self._is_reset():
            self._fail(LostError("the connection was reset"))
        elif not self._link.is_cut and not self._done.done():
            self._done.set_result(None)
