"""Real uvicorn processes on loopback, and clients that hang up."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOT = Path(__file__).parents[2]
_RUNNING = re.compile(rb"Uvicorn running on http://127\.0\.0\.1:(\d+)")


def eventually(is_so: Callable[[], bool], describe: Callable[[], object] = str) -> None:
    """Wait until another process has come so far."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.005)


def request(method: str, url: str, **options: Any) -> httpx2.Response:
    """Send one request to a process on this machine."""
    # verify=False: plain HTTP needs no certificates, and each client takes 20 ms to load them.
    return httpx2.request(method, url, timeout=PATIENCE, verify=False, **options)


@contextmanager
def uvicorn_serving(app: str, ended: Callable[[int, str], None] | None = None) -> Iterator[int]:
    """Serve ``module:name`` in a process of its own; gives the port, ends the process after.

    ``ended`` is called with the exit status and all that the process has written.
    """
    with tempfile.TemporaryFile() as log:

        def written() -> bytes:
            log.seek(0)
            return log.read()

        command = [sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", "0"]
        process = subprocess.Popen(
            command, cwd=_ROOT, env={**os.environ, "NO_COLOR": "1"}, stdout=log, stderr=log
        )
        try:
            eventually(
                lambda: bool(_RUNNING.search(written())) or process.poll() is not None,
                lambda: written().decode(),
            )
            found = _RUNNING.search(written())
            assert found, written().decode()
            yield int(found[1])
            process.terminate()
            status = process.wait(PATIENCE)
            if ended is not None:
                ended(status, written().decode())
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE)


@contextmanager
def raw_request(port: int, head: str, body: bytes = b"") -> Iterator[socket.socket]:
    """Send a request as it is given; leaving the block hangs up, without a farewell."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        lines = head.strip().replace("\n", "\r\n")
        connection.sendall(f"{lines}\r\nHost: test\r\n\r\n".encode() + body)
        yield connection
        # A reset instead of an orderly end: what a lost client looks like.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Read at least until ``wanted`` has come."""
    read = b""
    while wanted not in read:
        chunk = connection.recv(65536)
        assert chunk, read
        read += chunk
    return read
