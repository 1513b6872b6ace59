"""Applications under uvicorn, each in a process of its own, with load from one more."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import percentile
from benchmarks.fleet.valkey import LOOPBACK, Valkey, free_port

from .apps import FACTORIES, FASTAPI_CB, PATH, REDIS, UNGUARDED
from .load import Load, load_with_own_client, load_with_wrk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.parts import Figures, Order

_ROUNDS = 8
_SECONDS = 1.0
_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]

SERVERS = {"h11, asyncio": ("h11", "asyncio"), "httptools, uvloop": ("httptools", "uvloop")}
"""What uvicorn is run with: as it comes, and as ``uvicorn[standard]`` does."""


async def load_servers(order: Order) -> Figures:
    """Return requests per second and latencies by server and way to guard; they take turns."""
    has_cb = any(peer.name == FASTAPI_CB for peer in order.peers)
    names = [name for name in FACTORIES if name != FASTAPI_CB or has_cb]
    load = load_with_wrk if shutil.which("wrk") else load_with_own_client
    found: Figures = {"load_by": load.__name__.removeprefix("load_with_"), "servers": {}}
    with Valkey() as valkey:
        for title, (http, loop) in SERVERS.items():
            if any(importlib.util.find_spec(one) is None for one in (http, loop)):
                continue
            async with contextlib.AsyncExitStack() as stack:
                servers = {
                    name: await stack.enter_async_context(_serving(name, http, loop, valkey.url))
                    for name in names
                }
                found["servers"][title] = await _by_turns(servers, load, order)
    return found


async def _by_turns(servers: dict[str, Served], load: Load, order: Order) -> Figures:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for server in servers.values():
        await load(server.url, _SECONDS)  # warms up what is compiled and cached on the way
    for _ in range(order.rounds(_ROUNDS)):
        for name, server in servers.items():
            before = server.worked()
            measured = await load(server.url, _SECONDS)
            if before is not None and (after := server.worked()) is not None:
                measured["cpu_us"] = (after - before) / measured["requests"] / 1000
            rounds[name].append(measured)
    return {name: summarise(measured, rounds[UNGUARDED]) for name, measured in rounds.items()}


@dataclass(frozen=True)
class Served:
    """An application that is served."""

    port: int
    process: int

    @property
    def url(self) -> str:
        """The guarded route."""
        return f"http://{LOOPBACK}:{self.port}{PATH}"

    def worked(self) -> int | None:
        """Return the nanoseconds for which the process has had a core, where the system knows them.

        Unlike requests per second this hardly depends on what else the machine does.
        """
        try:
            return int(Path(f"/proc/{self.process}/schedstat").read_text().split()[0])
        except OSError:
            return None


def summarise(
    rounds: list[dict[str, float]], unguarded: list[dict[str, float]]
) -> dict[str, float]:
    """Return the medians, and the ratio of requests per second at the best tenth of the rounds."""
    rates = [one["per_second"] for one in rounds]
    floor = [one["per_second"] for one in unguarded]
    found = {
        "per_second": round(statistics.median(rates)),
        "p50_ms": round(statistics.median(one["p50_ms"] for one in rounds), 3),
        "p99_ms": round(statistics.median(one["p99_ms"] for one in rounds), 3),
        "rounds": len(rounds),
        # Of the 10th percentiles of the time per request, as everywhere.
        "share": round(percentile(rates, 90) / percentile(floor, 90), 3),
        "share_of_medians": round(statistics.median(rates) / statistics.median(floor), 3),
    }
    if all("cpu_us" in one for one in (*rounds, *unguarded)):
        low = percentile([one["cpu_us"] for one in rounds], 10)
        found["cpu_us"] = round(low, 1)
        found["cpu_ratio"] = round(low / percentile([one["cpu_us"] for one in unguarded], 10), 3)
    return found


@contextlib.asynccontextmanager
async def _serving(name: str, http: str, loop: str, redis: str) -> AsyncIterator[Served]:
    """Run one application."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--factory", "--no-access-log"),
        *("--log-level", "warning", "--host", LOOPBACK, "--port", str(port)),
        *("--http", http, "--loop", loop),
        f"benchmarks.routes.apps:{FACTORIES[name].__name__}",
        stdin=asyncio.subprocess.DEVNULL,
        cwd=_ROOT,
        env={**os.environ, REDIS: redis},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            while not await _answers(port):
                if process.returncode is not None:
                    raise RuntimeError(f"the server of {name!r} has ended")
                await asyncio.sleep(0.05)
        yield Served(port, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
