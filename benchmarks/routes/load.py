"""Load from a second process: by wrk, or where that is missing by a client of our own.

``python -m benchmarks.routes.load HOST PORT PATH SECONDS`` is that client.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import percentile

Load = Callable[[str, float], Awaitable[dict[str, float]]]
"""Sends requests to a URL for so many seconds; gives ``requests``, ``per_second``,
``p50_ms`` and ``p99_ms``."""

CONNECTIONS = 16

_ROOT = Path(__file__).parents[2]
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


async def load_with_wrk(url: str, seconds: float) -> dict[str, float]:
    """Run wrk, one thread of it."""
    text = await _output(
        *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", url)
    )
    return read_wrk(text)


def read_wrk(text: str) -> dict[str, float]:
    """Read what wrk prints.

    Raises:
        RuntimeError: there were errors, or it printed something else.
    """
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    requests = re.search(r"(\d+) requests in", text)
    times = dict(re.findall(r"^\s+(50|99)%\s+(\S+)", text, re.MULTILINE))
    is_bad = set(times) != {"50", "99"} or "Non-2xx" in text or "Socket errors" in text
    if rate is None or requests is None or is_bad:
        raise RuntimeError(f"wrk says:\n{text}")
    return {
        "requests": float(requests[1]),
        "per_second": float(rate[1]),
        "p50_ms": milliseconds(times["50"]),
        "p99_ms": milliseconds(times["99"]),
    }


def milliseconds(text: str) -> float:
    """Read a time as wrk writes it: ``812.00us``, ``3.14ms``, ``1.02s``."""
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


async def load_with_own_client(url: str, seconds: float) -> dict[str, float]:
    """Run the client below in a process of its own."""
    parts = urlsplit(url)
    arguments = (str(parts.hostname), str(parts.port), parts.path, str(seconds))
    text = await _output(sys.executable, "-m", "benchmarks.routes.load", *arguments)
    found: dict[str, float] = json.loads(text)
    return found


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        start_new_session=True,
    )
    text, _ = await process.communicate()
    return text.decode()


async def _send(host: str, port: int, path: str, seconds: float) -> dict[str, float]:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    times: list[float] = []
    begun = time.perf_counter()

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        while time.perf_counter() < begun + seconds:
            sent = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            times.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    return {
        "requests": float(len(times)),
        "per_second": len(times) / (time.perf_counter() - begun),
        "p50_ms": percentile(times, 50) * 1000,
        "p99_ms": percentile(times, 99) * 1000,
    }


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(
            asyncio.run(_send(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
        )
    )
