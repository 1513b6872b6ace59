"""What stands for Redis and the way to it: clients as the production code uses them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from redis.exceptions import ConnectionError as LostError
from redis.exceptions import TimeoutError as SilentError

from fastapi_hybrid_breaker.fleet.connection import ANSWER_TIMEOUT, Source

from .store import Store

if TYPE_CHECKING:
    from random import Random


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Link:
    """The way between one instance and the server; what it is like can change at any time.

    Args:
        latency: seconds one way, at least; each passage takes up to twice as long.
        is_cut: nothing arrives, and nobody says so.
        drops, repeats, shuffles: the share of published messages that get lost, come twice, or
            come late and so in another order.
        loses_answers: the share of round trips whose answer gets lost after the work is done.
    """

    latency: float = 0.001
    is_cut: bool = False
    drops: float = 0.0
    repeats: float = 0.0
    shuffles: float = 0.0
    loses_answers: float = 0.0
    awake: asyncio.Event = field(default_factory=_set)
    """Cleared while the instance stands still."""


class Server:
    """One server: it can be away, hang, forget, and fall back to an older copy of itself."""

    def __init__(self, random: Random) -> None:
        self.loop = asyncio.get_running_loop()
        self.random = random
        self.store = Store(self.loop.time, self._deliver)
        self.is_up = True
        self.awake = asyncio.Event()
        self.awake.set()
        self.generation = 0  # of its connections: they all end with a restart
        self.subscriptions: list[PubSub] = []

    def restart(self, snapshot: Any | None = None) -> None:
        """Drop all connections and come back with other data, or with none."""
        self.generation += 1
        for subscription in self.subscriptions:
            subscription.break_off()
        self.subscriptions.clear()
        self.store.become(snapshot)

    def _deliver(self, data: bytes) -> None:
        for subscription in tuple(self.subscriptions):
            subscription.send(data)


class SimulatedSource(Source):
    """Where one instance finds the server."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link

    def __str__(self) -> str:
        return "the simulated server"

    def client(self) -> Any:
        """Make a client."""
        return Client(self._server, self._link)


class Client:
    """Stands for ``redis.asyncio.Redis``, as far as it is used."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link
        self.connection_pool = self

    async def disconnect(self) -> None:
        """Nothing is kept."""

    async def aclose(self) -> None:
        """Nothing is kept."""

    def pipeline(self, *, transaction: bool) -> Pipeline:
        del transaction
        return Pipeline(self._server, self._link)

    def pubsub(self) -> PubSub:
        return PubSub(self._server, self._link)


class Pipeline:
    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link
        self._commands: list[tuple[Any, ...]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is kept."""

    def execute_command(self, *command: Any) -> None:
        self._commands.append(command)

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        """Send all commands; what is sent may be done although no answer comes."""
        del raise_on_error
        server, link = self._server, self._link
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await passage(server, link)
                if not server.awake.is_set():
                    work = asyncio.ensure_future(self._when_awake())  # done whoever waits for it
                    answers = await asyncio.shield(work)
                else:
                    answers = self._work()
                if server.random.random() < link.loses_answers:
                    raise LostError("the answer got lost")
                await passage(server, link)
                return answers
        except TimeoutError:
            raise SilentError("no answer") from None

    async def _when_awake(self) -> list[Any]:
        generation = self._server.generation
        await self._server.awake.wait()
        return self._work() if generation == self._server.generation else []

    def _work(self) -> list[Any]:
        return [self._server.store.execute(command) for command in self._commands]


class PubSub:
    """Stands for ``redis.asyncio.client.PubSub``."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link
        self._came: deque[dict[str, Any]] = deque()
        self._signal = asyncio.Event()
        self._is_broken = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self in self._server.subscriptions:
            self._server.subscriptions.remove(self)

    async def subscribe(self, channel: str) -> None:
        del channel
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await passage(self._server, self._link)
                await self._server.awake.wait()
        except TimeoutError:
            raise SilentError("no answer") from None
        self._server.subscriptions.append(self)
        self._put({"type": "subscribe", "data": None})

    async def get_message(self, timeout: float) -> dict[str, Any] | None:  # noqa: ASYNC109 - as there
        if not self._came and not self._is_broken:
            try:
                async with asyncio.timeout(timeout):
                    await self._signal.wait()
            except TimeoutError:
                await self._link.awake.wait()
                return None
        await self._link.awake.wait()
        self._signal.clear()
        if self._came:
            message = self._came.popleft()
            if self._came:
                self._signal.set()
            return message
        raise LostError("the connection is closed")

    async def ping(self) -> None:
        self._later({"type": "pong", "data": b""})

    def send(self, data: bytes) -> None:
        """Have the server send a published message."""
        random, link = self._server.random, self._link
        if random.random() < link.drops:
            return
        message = {"type": "message", "data": data}
        self._later(message)
        if random.random() < link.repeats:
            self._later(message, extra=random.uniform(0, 0.5))

    def break_off(self) -> None:
        """End, as with the server's process."""
        self._is_broken = True
        self._signal.set()

    def _later(self, message: dict[str, Any], extra: float = 0.0) -> None:
        server, link = self._server, self._link
        if not server.is_up or not server.awake.is_set() or link.is_cut:
            return
        if server.random.random() < link.shuffles:
            extra += server.random.uniform(0, 2.0)
        delay = link.latency * server.random.uniform(1, 2) + extra
        server.loop.call_later(delay, self._put, message)

    def _put(self, message: dict[str, Any]) -> None:
        if not self._is_broken and not self._link.is_cut:
            self._came.append(message)
            self._signal.set()


async def passage(server: Server, link: Link) -> None:
    """Go one way, if there is one."""
    await link.awake.wait()
    if not server.is_up:
        await asyncio.sleep(link.latency)
        raise LostError("connection refused")
    if link.is_cut:
        await asyncio.sleep(3600)
    await asyncio.sleep(link.latency * server.random.uniform(1, 2))
    if not server.is_up:
        raise LostError("connection reset")
