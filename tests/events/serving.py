"""Applications served by a uvicorn in the test's own process, so that both ends can be seen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from tests.fleet.instances import until
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONFIG = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=3600.0)


@asynccontextmanager
async def served(
    redis: str | None = None, *, auth: Any = None, dependencies: Any = None, **options: Any
) -> AsyncIterator[tuple[HybridBreaker, int]]:
    """Serve an application with the admin router; gives its breaker and the port."""
    app = FastAPI(dependencies=dependencies)
    breaker = HybridBreaker(app, redis=redis, **({"defaults": CONFIG} | options))
    app.include_router(breaker.admin_router(auth=auth), prefix="/circuits")
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield breaker, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await asyncio.wait_for(task, PATIENCE)
