"""The dependency that the instances call: it counts, and fails as often as it is configured to.

A call is one line, ``P`` for a probe and ``C`` for any other, and one line back.
"""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING, Self

from .valkey import LOOPBACK

if TYPE_CHECKING:
    from types import TracebackType

WORK = 0.02
"""Seconds that a call takes: long enough for the probes of many instances to overlap."""

PROBE = b"P\n"
CALL = b"C\n"
GOOD = b"good\n"
BAD = b"bad\n"


class Upstream:
    """A server on loopback, in the measuring process, from ``async with`` to its end."""

    def __init__(self) -> None:
        self.port = 0
        self.failing = 0.0
        """Share of the calls that fail."""
        self.calls = 0
        self.probes = 0
        self.most_probes = 0
        """The greatest number of probes at once."""
        self._probes_now = 0
        self._random = Random(7)  # noqa: S311 - which calls fail
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        # The backlog holds the first calls of all instances at once.
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def count_anew(self) -> None:
        """Forget what was counted; calls that are under way stay under way."""
        self.calls = self.probes = 0
        self.most_probes = self._probes_now

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            while line := await reader.readline():
                writer.write(await self._answer(is_probe=line == PROBE))

    async def _answer(self, *, is_probe: bool) -> bytes:
        fails = self._random.random() < self.failing
        self.calls += 1
        self.probes += is_probe
        self._probes_now += is_probe
        self.most_probes = max(self.most_probes, self._probes_now)
        try:
            await asyncio.sleep(WORK)
        finally:
            self._probes_now -= is_probe
        return BAD if fails else GOOD
