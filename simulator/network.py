"""The way between an instance and the server: clients as the production code uses them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LostError

from fastapi_hybrid_breaker.fleet.connection import Source

from .wire import WIRE, Exchange

if TYPE_CHECKING:
    import asyncio

    from .server.server import Server
    from .wire import Link

_CALLBACKS: Final = Redis(protocol=2).response_callbacks
"""What the client library makes of answers, by command."""


class SimulatedSource(Source):
    """Where one instance finds the server."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link

    def __str__(self) -> str:
        return "the simulated server"

    longest_look = float("inf")  # see ``Link.lull``

    async def look_up(self) -> None:
        """Every name is known."""

    def redact(self, text: str) -> str:
        """Return a text as it is: there are no secrets."""
        return text

    def tls_fault(self, error: BaseException) -> None:
        """Return that TLS is not at fault: there is none."""

    def client(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - the link's delays decide
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

    async def execute_command(self, *command: Any) -> Any:
        """Send one command.

        Raises:
            RedisError: what the server refuses, or that it is lost.
        """
        (answer,) = await round_trip(self._server, self._link, [command])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipeline(self, *, transaction: bool) -> Pipeline:
        del transaction
        return Pipeline(self._server, self._link)

    def pubsub(self) -> PubSub:
        return PubSub(self._server, self._link)


class Pipeline:
    """Stands for ``redis.asyncio.client.Pipeline``."""

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
        answers = await round_trip(self._server, self._link, self._commands)
        if raise_on_error:
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
        return answers


async def round_trip(server: Server, link: Link, commands: list[tuple[Any, ...]]) -> list[Any]:
    """Send commands and wait for the answers; the work may be done though no answer comes.

    Raises:
        LostError, SilentError: as the client library does.
    """
    answers: list[Any] = []

    def work() -> None:
        answers.extend(server.execute(command) for command in commands)

    await Exchange(server, link, work).answer()
    for at, (command, answer) in enumerate(zip(commands, answers, strict=True)):
        callback = _CALLBACKS.get(str(command[0]).upper())
        if callback is not None and not isinstance(answer, Exception):
            answers[at] = _in_order(callback(answer))
    return answers


class _Ordered(set[Any]):
    """A set that is gone through in order: that of a Python set differs from run to run."""

    def __iter__(self) -> Any:
        return iter(sorted(super().__iter__()))


def _in_order(answer: Any) -> Any:
    return _Ordered(answer) if isinstance(answer, set) else answer


class PubSub:
    """Stands for ``redis.asyncio.client.PubSub``."""

    def __init__(self, server: Server, link: Link) -> None:
        self._server = server
        self._link = link
        self._came: deque[dict[str, Any]] = deque()
        self._looking: asyncio.Future[None] | None = None
        self._is_broken = False
        self._is_asked = False
        self._last = 0.0  # when the last message arrives: a connection keeps the order

    async def aclose(self) -> None:
        """Listen no more."""
        self._server.unsubscribe(self)

    async def subscribe(self, *channels: str) -> None:
        """Begin to listen; the server's consent comes as the first messages, one per channel."""

        def work() -> None:
            for count, channel in enumerate(channels, 1):
                self._server.subscribe(channel, self)
                self._put("subscribe", channel.encode(), count)

        await Exchange(self._server, self._link, work).answer()

    async def get_message(self, timeout: float) -> dict[str, Any] | None:  # noqa: ASYNC109 - as there
        """Wait for the next message, or None; raises LostError when the server is gone."""
        if not self._came and not self._is_broken:
            loop = self._server.loop
            self._looking = looking = loop.create_future()
            is_lull = self._link.lull > timeout
            timer = loop.call_later(max(timeout, self._link.lull), _finish, looking)
            try:
                await looking
            finally:
                timer.cancel()
                self._looking = None
            if is_lull and self._is_asked and not self._came:
                self._is_asked = False
                return {"type": "pong", "pattern": None, "channel": None, "data": b""}
        if self._came:
            return self._came.popleft()
        if self._is_broken:
            raise LostError("the connection is closed")
        return None

    async def ping(self) -> None:
        """Ask for a heartbeat, which comes as a message."""
        self._is_asked = True
        if not self._link.lull:
            self._later("pong", None, b"")

    def send(self, channel: str, data: bytes) -> None:
        """Make the server send a published message."""
        random, link = self._server.random, self._link
        if link.drops and random.random() < link.drops:
            return
        self._later("message", channel.encode(), data)
        if link.repeats and random.random() < link.repeats:
            self._later("message", channel.encode(), data, extra=random.uniform(0, 0.5))

    def break_off(self) -> None:
        """End, as with the server's process."""
        self._is_broken = True
        self._wake()

    def _later(self, kind: str, channel: bytes | None, data: Any, extra: float = 0.0) -> None:
        server, link = self._server, self._link
        if not server.is_awake or not link.is_open(server):
            return
        arrives = server.loop.time() + link.latency * server.random.uniform(1, 2) + extra
        if link.shuffles and server.random.random() < link.shuffles:
            arrives += server.random.uniform(0, 2.0)
        elif not extra:
            arrives = self._last = max(arrives, self._last)
        server.loop.call_at(arrives, self._put, kind, channel, data, context=WIRE)

    def _put(self, kind: str, channel: bytes | None, data: Any) -> None:
        if not self._is_broken and not self._link.is_cut:
            message = {"type": kind, "pattern": None, "channel": channel, "data": data}
            self._came.append(message)
            self._wake()

    def _wake(self) -> None:
        if self._looking is not None:
            _finish(self._looking)


def _finish(looking: asyncio.Future[None]) -> None:
    if not looking.done():
        looking.set_result(None)
