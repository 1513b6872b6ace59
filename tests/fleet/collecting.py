"""A process whose garbage collector finalizes half-read streams amid the work of the fleet's part.

Run by ``test_collected.py`` as a program of its own: if it stops for ever, it ends itself with a
traceback. Each stream is the probe of its circuit, was read by half, and dropped in a reference
cycle, so that its end closes the circuit wherever the collector happens to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any

import httpx

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker

PATIENCE = 60.0
VARIABLES = [ContextVar[int](f"variable {number}") for number in range(8)]
CONFIG = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.001)


class Body(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"a chunk"
        yield b"never read"


class Upstream(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/broken":
            raise httpx.ConnectError("refused")
        return httpx.Response(200, stream=Body())


def drop_half_read(transport: Any, host: str) -> None:
    """Begin a probe, read a chunk of its answer, and leave it to the garbage collector."""
    response = transport.handle_request(httpx.Request("GET", f"http://{host}/"))
    chunks = iter(response.stream)
    next(chunks)
    cycle = [chunks]
    cycle.append(cycle)


def trip(transport: Any, host: str) -> None:
    with contextlib.suppress(httpx.ConnectError):
        transport.handle_request(httpx.Request("GET", f"http://{host}/broken"))


def set_variables() -> None:
    for number in range(20):
        for variable in VARIABLES:
            variable.set(number)


def begin(work: Coroutine[Any, Any, object]) -> None:
    """Run it until it waits for the first time."""
    work.send(None)
    work.close()


async def main(url: str, act: str) -> None:
    breaker = HybridBreaker(redis=url, defaults=CONFIG)
    async with breaker:
        transport = breaker.transport(Upstream())
        acts: dict[str, Callable[[int], object]] = {
            "trips": lambda number: trip(transport, f"other{number}"),
            "resets": lambda number: begin(breaker.reset(f"other{number}:80")),
            "sets variables of its context": lambda _: set_variables(),
            "makes a circuit": lambda number: breaker.circuit(f"new{number}"),
        }
        hosts = [f"host{number}" for number in range(150)]
        for host in hosts:
            trip(transport, host)
        await asyncio.sleep(0.01)
        gc.disable()
        gc.freeze()  # what there is so far is no garbage, and a collection short
        for number, host in enumerate(hosts):
            drop_half_read(transport, host)
            # The collector runs at the allocation with this number, counted from here.
            gc.set_threshold(gc.get_count()[0] + number, 1000, 1000)
            gc.enable()
            acts[act](number)
            gc.disable()
            gc.collect()
            await asyncio.sleep(0)
        assert {breaker.state(f"{host}:80") for host in hosts} == {"CLOSED"}
        while breaker.sync_status().queued:
            await asyncio.sleep(0.01)
        print("done")  # noqa: T201


if __name__ == "__main__":
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    asyncio.run(main(*sys.argv[1:]))
