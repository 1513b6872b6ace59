"""An application whose circuit recovers in a ramp; everything under /-/ is for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker, circuit
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .bench import KEY

CONFIG = CircuitConfig(
    failure_threshold=3, success_threshold=1, recovery_timeout=10.0, ramp_seconds=400.0
)
"""A tenth of the calls is admitted in the first hundred seconds."""

app = FastAPI()
clock = ManualClock()
breaker = HybridBreaker(app, redis=None, defaults=CONFIG, clock=clock)
GUARDED = [Depends(circuit(KEY))]


class Later:
    """Something that was begun long ago, and makes guarded calls now."""

    def __init__(self) -> None:
        self._go = asyncio.Event()
        self._admitted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        await self._go.wait()
        self._admitted.set_result(await admitted_of(100))

    async def admitted(self) -> int:
        self._go.set()
        return await self._admitted


later: list[Later] = []
tasks: set[asyncio.Task[None]] = set()  # so that they live


async def admitted_of(calls: int) -> int:
    admitted = 0
    for _ in range(calls):
        try:
            await breaker.execute(KEY, asyncio.sleep, 0)
            admitted += 1
        except CircuitOpenError:
            continue
    return admitted


def begin() -> Later:
    later.append(Later())
    return later[-1]


@app.post("/-/outage")
async def outage() -> None:
    """Open the circuit, and let it recover."""
    await _recover(asyncio.sleep, 0)


@app.post("/-/probed-by/task")
async def probed_by_task() -> None:
    """The same, by a probe that begins a task."""

    async def probe() -> None:
        tasks.add(asyncio.create_task(begin().run()))

    await _recover(probe)


@app.post("/-/reset")
async def reset() -> None:
    await breaker.reset(KEY)


async def _recover(probe: Callable[..., Awaitable[None]], *args: object) -> None:
    inside.open_here(breaker.circuit(KEY), CONFIG.recovery_timeout)
    clock.advance(CONFIG.recovery_timeout)
    await breaker.execute(KEY, probe, *args)


@app.get("/-/admitted")
async def admitted() -> list[int]:
    """Make 100 calls in everything that was begun, one after the other."""
    counts = []
    while later:
        counts.append(await later.pop(0).admitted())
        clock.advance(1e-3)
    return counts


@app.post("/upload", dependencies=GUARDED)
async def upload(request: Request) -> int:
    return len(await request.body())


@app.get("/served", dependencies=GUARDED)
async def served() -> None:
    pass


@app.get("/calls", dependencies=GUARDED)
async def calls() -> int:
    return await admitted_of(100)


@app.get("/task", dependencies=GUARDED)
async def task() -> None:
    tasks.add(asyncio.create_task(begin().run()))


@app.get("/task-of-a-call")
async def task_of_a_call() -> None:
    async def beginning() -> None:
        tasks.add(asyncio.create_task(begin().run()))

    await breaker.execute(KEY, beginning)


@app.get("/background", dependencies=GUARDED)
async def background() -> Response:
    return JSONResponse({}, background=BackgroundTask(begin().run))


@app.websocket("/socket", dependencies=GUARDED)
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await begin().run()
    await websocket.close()
