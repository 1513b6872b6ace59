"""Measures requests with and without the guarded transport."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmarks.fleet.valkey import LOOPBACK, free_port
from benchmarks.rounds import WAITING, WORKING, measure
from fastapi_hybrid_breaker import HybridBreaker

from .upstream import PIECE, PIECES, SMALL, mock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.parts import Figures, Order
    from benchmarks.rounds import Clock, Loop

LIBRARIES: Final = ("httpx", "httpx2")
Body = Literal["small", "streamed"]
BODIES: Final[tuple[Body, ...]] = ("small", "streamed")

_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class _Where:
    """Where requests go, and how long they are looked at."""

    name: str
    url: str
    rounds: int
    seconds: float


async def run(order: Order) -> Figures:
    """Return the time per request by library, place and body; ratios to the plain transport.

    ``by_work`` is by the clock that counts the client's own work: what a guard adds is work, and
    there the noise of others and the server's time are left out.
    """
    async with _serving() as url:
        mocked = _Where("mock", "http://mock", 60, 0.004)
        real = _Where("real", url, 60, 0.02)
        return {
            "by_wall": {
                **await _measure(mocked, WORKING, order),
                **await _measure(real, WAITING, order),
            },
            "by_work": await _measure(real, WORKING, order),
        }


async def _measure(where: _Where, clock: Clock, order: Order) -> Figures:
    """Let plain and guarded take turns, for one library and body after the other.

    All of them in one round would have each begin with what another has left in the caches,
    which is more than a guard costs.
    """
    found: Figures = {}
    for name in LIBRARIES:
        library = importlib.import_module(name)
        for body in BODIES:
            async with contextlib.AsyncExitStack() as stack:
                loops: dict[str, Loop] = {}
                for guard in ("plain", "guarded"):
                    transport = _transport(library, where, is_guarded=guard == "guarded")
                    client = library.AsyncClient(transport=transport)
                    await stack.enter_async_context(client)
                    loops[guard] = _requests(client, where.url, body)
                times = await measure(
                    loops,
                    rounds=order.rounds(where.rounds),
                    clock=clock,
                    slice_seconds=where.seconds,
                )
            for guard, one in times.items():
                found[f"{name} / {where.name} / {body} / {guard}"] = one.describe(times["plain"])
    return found


def _transport(library: Any, where: _Where, *, is_guarded: bool) -> Any:
    inner = mock(library) if where.name == "mock" else library.AsyncHTTPTransport()
    if not is_guarded:
        return inner
    return HybridBreaker(redis=None).transport(inner, circuit="upstream")


def _requests(client: Any, url: str, body: Body) -> Loop:
    async def small(calls: int) -> None:
        for _ in range(calls):
            response = await client.get(f"{url}/small")
            if response.content != SMALL:
                raise RuntimeError(f"the upstream answered {response!r}")

    async def streamed(calls: int) -> None:
        for _ in range(calls):
            size = 0
            async with client.stream("GET", f"{url}/streamed") as response:
                async for piece in response.aiter_raw():
                    size += len(piece)
            if size != PIECES * len(PIECE):
                raise RuntimeError(f"{size} bytes came of {response!r}")

    return small if body == "small" else streamed


@contextlib.asynccontextmanager
async def _serving() -> AsyncIterator[str]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning"),
        *("--host", LOOPBACK, "--port", str(port), "benchmarks.transport.upstream:app"),
        stdin=asyncio.subprocess.DEVNULL,
        cwd=_ROOT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(LOOPBACK, port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
            else:
                raise RuntimeError("the upstream has ended")
        yield f"http://{LOOPBACK}:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
