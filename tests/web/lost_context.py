"""An application whose guarded calls run where nothing tells which call or request encloses them.

Each path is one way to lose the context: every request makes one good call to the upstream, inside
of something else that the same circuit guards. Everything under /-/ is for the tests with uvicorn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

import anyio.to_thread
import httpx2
from fastapi import BackgroundTasks, Depends, FastAPI

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitOpenError,
    HybridBreaker,
    circuit,
)
from fastapi_hybrid_breaker.testing import ManualClock

from .bench import KEY, trip

GUARDED = [Depends(circuit(KEY))]


class Upstream:
    """What is called: it is always well, and counts how many calls run at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self.most = 0
        self.calls = 0

    def begin(self) -> None:
        with self._lock:
            self.calls += 1
            self._running += 1
            self.most = max(self.most, self._running)

    def end(self) -> None:
        with self._lock:
            self._running -= 1

    async def ask(self) -> str:
        self.begin()
        await asyncio.sleep(0.001)
        self.end()
        return "fresh"

    def ask_sync(self) -> str:
        self.begin()
        time.sleep(0.001)
        self.end()
        return "fresh"

    def answer(self, request: object) -> httpx2.Response:
        return httpx2.Response(200, text=self.ask_sync())


class Shop:
    """The application; ``redis`` is shared with others."""

    def __init__(self, config: CircuitConfig, redis: str | None = None) -> None:
        self.clock = ManualClock()
        self.upstream = Upstream()
        self.app = FastAPI(lifespan=self.lifespan)
        clock: Callable[[], float] = time.monotonic if redis else self.clock
        self.breaker = HybridBreaker(self.app, redis=redis, defaults=config, clock=clock)
        self._jobs: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()
        _add_control(self)
        _add_guarded_routes(self)
        _add_held_routes(self)
        _add_deep_routes(self)

    @property
    def guarded(self) -> Circuit:
        return self.breaker.circuit(KEY)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._work())
        yield
        worker.cancel()

    async def _work(self) -> None:
        """Do jobs, as a worker begun at start-up does, in its own context."""

        async def do(job: asyncio.Future[str]) -> None:
            try:
                job.set_result(await self.guarded.call(self.upstream.ask))
            except Exception as error:
                job.set_exception(error)

        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(do(await self._jobs.get()))

    def queue(self) -> asyncio.Future[str]:
        job: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait(job)
        return job

    async def in_executor(self) -> str:
        """Make a guarded call in a thread that knows of nothing."""
        ask = self.upstream.ask_sync
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self.guarded.call_sync, ask)

    async def apart(self, depth: int) -> str:
        """Make a guarded call in an empty context, so many of them inside of each other."""
        if depth == 0:
            return await self.upstream.ask()
        call = self.guarded.call(self.apart, depth - 1)
        return await Context().run(asyncio.ensure_future, call)


def _add_control(shop: Shop) -> None:
    @shop.app.post("/-/half-open")
    async def half_open() -> None:
        trip(shop.guarded)
        shop.clock.advance(shop.guarded.config.recovery_timeout)

    @shop.app.get("/-/circuit")
    async def show() -> dict[str, Any]:
        return {
            "state": shop.guarded.state,
            "sync": shop.breaker.sync_status().state,
            "most": shop.upstream.most,
        }


def _add_guarded_routes(shop: Shop) -> None:
    """Add routes that are guarded, as is their call."""
    app, upstream = shop.app, shop.upstream
    transport = shop.breaker.transport(httpx2.MockTransport(upstream.answer), circuit=KEY)
    client = httpx2.Client(transport=transport, base_url="http://upstream")

    @app.get("/route/executor", dependencies=GUARDED)
    async def executor() -> str:
        return await shop.in_executor()

    @app.get("/route/worker", dependencies=GUARDED)
    async def worker() -> str:
        return await shop.queue()

    @app.get("/route/transport-in-executor", dependencies=GUARDED)
    async def transport_in_executor() -> str:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(None, client.get, "/")).text

    @app.get("/route/twice-apart", dependencies=GUARDED)
    async def twice_apart() -> str:
        return await shop.apart(2)

    @app.get("/route/threadpool", dependencies=GUARDED)
    def threadpool() -> str:
        return shop.guarded.call_sync(upstream.ask_sync)

    @app.get("/route/to-thread", dependencies=GUARDED)
    async def to_thread() -> str:
        return await anyio.to_thread.run_sync(shop.guarded.call_sync, upstream.ask_sync)

    @app.get("/route/background-task", dependencies=GUARDED)
    async def background_task(tasks: BackgroundTasks) -> str:
        tasks.add_task(shop.guarded.call, upstream.ask)
        return await shop.in_executor()

    @app.get("/route/beside-unguarded", dependencies=GUARDED)
    async def beside_unguarded() -> str:
        await upstream.ask()
        return await shop.in_executor()


def _add_held_routes(shop: Shop) -> None:
    """Add routes of which a dependency holds ``guard()``."""
    app, upstream = shop.app, shop.upstream

    def held() -> Iterator[None]:
        with shop.guarded.guard():
            yield

    async def held_async() -> AsyncIterator[None]:
        async with shop.guarded.guard():
            yield

    @app.get("/held/route-first", dependencies=[*GUARDED, Depends(held)])
    async def route_first() -> str:
        return await upstream.ask()

    @app.get("/held/route-last", dependencies=[Depends(held), *GUARDED])
    async def route_last() -> str:
        return await upstream.ask()

    @app.get("/held/async-route-last", dependencies=[Depends(held_async), *GUARDED])
    async def async_route_last() -> str:
        return await upstream.ask()

    @app.get("/held/call", dependencies=[Depends(held)])
    async def call() -> str:
        return await shop.guarded.call(upstream.ask)

    @app.get("/held/executor")
    async def executor() -> str:
        async with shop.guarded.guard():
            return await shop.in_executor()


def _add_deep_routes(shop: Shop) -> None:
    """Add routes that are not guarded: their call makes another."""

    @shop.app.get("/call/executor")
    async def executor() -> str:
        return await shop.guarded.call(shop.in_executor)

    @shop.app.get("/call/group")
    async def group() -> str:
        async def grouped() -> str:
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(shop.in_executor())
            return task.result()

        return await shop.guarded.call(grouped)

    @shop.app.get("/call/own-error")
    async def own_error() -> str:
        def fail() -> None:
            raise LookupError("an error of the service's own, raised further down")

        async def failing() -> str:
            try:
                return await shop.in_executor()
            except CircuitOpenError:
                fail()
                raise

        return await shop.guarded.call(failing)

    @shop.app.get("/call/apart")
    async def apart() -> str:
        return await shop.guarded.call(shop.apart, 1)

    @shop.app.get("/call/twice-apart")
    async def twice_apart() -> str:
        return await shop.guarded.call(shop.apart, 2)
