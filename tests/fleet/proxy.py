"""A link between instances and the server that can be slow, silent, torn or thin.

It runs in a thread with a loop of its own: a test's loop that is busy does not make it slower,
and what it holds back does not hold up the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Self

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOOPBACK = "127.0.0.1"


class Way:
    """One direction of all connections; its settings may be changed at any time.

    Parameters (attributes):
        delay: seconds that each piece is under way.
        is_open: whether bytes pass; what comes meanwhile waits, as TCP would send it again.
        pace: bytes per second, or None: as many as come.
        cut_after: bytes after which all connections are cut, or None.
        passed, held: bytes that went through, and that came and have not gone through yet.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.is_open = True
        self.pace: float | None = None
        self.cut_after: int | None = None
        self.passed = 0
        self.held = 0


class Proxy:
    """Stands before the server on ``target``, on a port of its own, from ``with`` to its end."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.to_server = Way()
        self.to_client = Way()
        self.cuts = 0
        self.target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._is_up = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def ways(self) -> tuple[Way, Way]:
        return self.to_server, self.to_client

    def delay(self, seconds: float) -> None:
        """Keep every piece under way for so long, in each direction."""
        for way in self.ways:
            way.delay = seconds

    def hold(self) -> None:
        """Become a black hole: connections stay and new ones are taken, no byte passes."""
        for way in self.ways:
            way.is_open = False
        # What the loop has in hand at this moment may pass; nothing after this returns.
        caught_up = threading.Event()
        self._call(caught_up.set)
        assert caught_up.wait(PATIENCE)

    def release(self) -> None:
        """Let bytes pass again, those that waited first."""
        for way in self.ways:
            way.is_open = True

    def cut(self) -> None:
        """Reset all connections; new ones are taken."""
        self._call(self._cut)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(PATIENCE), "the proxy does not come up"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _call(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._stop.wait()
        server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        self.cuts += 1
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._connect(reader, writer))

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        server = None
        try:
            server_reader, server = await asyncio.open_connection(LOOPBACK, self.target)
            self._writers.add(server)
            there = self._spawn(self._pass(reader, server, self.to_server))
            back = self._spawn(self._pass(server_reader, writer, self.to_client))
            # One end hangs up: so does the other, as without a link in between.
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            back.cancel()
        except OSError:
            pass  # nobody listens behind: the connection is dropped
        finally:
            for one in filter(None, (writer, server)):
                self._writers.discard(one)
                one.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way
    ) -> None:
        """Carry one direction of one connection; pieces overtake nothing."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        deliver = self._spawn(self._deliver(under_way, writer, way))
        try:
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65536):
                    way.held += len(piece)
                    under_way.put_nowait((self._loop.time(), piece))
                await under_way.join()  # the end of the stream comes after what was sent
        finally:
            deliver.cancel()

    async def _deliver(
        self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, way: Way
    ) -> None:
        while True:
            came, piece = await under_way.get()
            while self._loop.time() < came + way.delay or not way.is_open:
                await asyncio.sleep(0.002)
            while piece:
                part = piece if way.pace is None else piece[:1]
                piece = piece[len(part) :]
                self._write(part, writer, way)
                if way.pace is not None:
                    await asyncio.sleep(1 / way.pace)
            under_way.task_done()

    def _write(self, part: bytes, writer: asyncio.StreamWriter, way: Way) -> None:
        way.held -= len(part)
        if way.cut_after is not None:
            part = part[: way.cut_after]
            way.cut_after -= len(part)
        writer.write(part)
        way.passed += len(part)
        if way.cut_after == 0:
            way.cut_after = None
            self._cut()
