"""The slowest of our guarded calls, with Redis healthy and hung by turns, in one process."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.calls.loops import work
from benchmarks.figures import percentile
from benchmarks.fleet.valkey import Valkey
from benchmarks.peers.adapter import Setting
from benchmarks.peers.ours import make_breaker

if TYPE_CHECKING:
    from benchmarks.parts import Figures, Order
    from fastapi_hybrid_breaker import Circuit, HybridBreaker

_TURNS = 6
_SECONDS = 3.0
_BURST = 200
_PAUSE = 0.001
_PATIENCE = 20.0


async def compare(order: Order) -> Figures:
    """Return the 99th percentile of single calls in each turn, and the ratio of their 10th ones.

    A turn with a hung server takes in the moment in which the hang is noticed, and what
    follows; the next healthy one begins when the breaker says ``connected`` again.
    """
    healthy: list[float] = []
    hung: list[float] = []
    with Valkey() as valkey:
        async with make_breaker(Setting(redis=valkey.url)) as breaker:
            circuit = breaker.circuit("bench")
            await _call_for(0.5, circuit)
            for _ in range(order.rounds(_TURNS)):
                await _until_connected(breaker)
                healthy.append(percentile(await _call_for(_SECONDS, circuit), 99))
                valkey.hang()
                hung.append(percentile(await _call_for(_SECONDS, circuit), 99))
                valkey.resume()
    return {
        "healthy_p99_ns": [round(one) for one in healthy],
        "hung_p99_ns": [round(one) for one in hung],
        "ratio": round(percentile(hung, 10) / percentile(healthy, 10), 3),
    }


async def _call_for(seconds: float, circuit: Circuit) -> list[int]:
    times: list[int] = []
    end = time.monotonic() + seconds
    clock = time.perf_counter_ns
    while time.monotonic() < end:
        for _ in range(_BURST):
            begun = clock()
            await circuit.call(work, 1)
            times.append(clock() - begun)
        await asyncio.sleep(_PAUSE)  # what runs in the background has its turn
    return times


async def _until_connected(breaker: HybridBreaker) -> None:
    async with asyncio.timeout(_PATIENCE):
        while breaker.sync_status().state != "connected":  # noqa: ASYNC110 - nothing notifies
            await asyncio.sleep(0.01)
