"""A link to a server that takes its time: ``python -m benchmarks.sharing.link PORT SECONDS``.

A process of its own, so that it takes nothing from the loop that is measured. It prints its port
and ends with its stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from typing import Self

LOOPBACK = "127.0.0.1"


class Link:
    """The link as the measurement sees it, from ``with`` to the end of its block.

    Args:
        port: of the server on this machine.
        seconds: that each piece is under way, in each direction.
    """

    def __init__(self, port: int, seconds: float) -> None:
        self._command = [sys.executable, "-m", __name__, str(port), str(seconds)]
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        self.url = f"redis://{LOOPBACK}:{int(self._process.stdout.readline())}/0"
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


async def _serve(port: int, seconds: float) -> None:
    connections: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, port)
        for one in (_carry(reader, back, seconds), _carry(there, writer, seconds)):
            task = asyncio.create_task(one)
            connections.add(task)
            task.add_done_callback(connections.discard)

    server = await asyncio.start_server(connect, LOOPBACK, 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            loop.call_later(seconds, writer.write, piece)
    loop.call_later(seconds, writer.close)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
