"""A shop that asks an inventory service how much is left, guarded by one circuit.

    UPSTREAM_URL=http://127.0.0.1:9000 REDIS_URL=redis://127.0.0.1:6379 \
        uvicorn demo_app.shop:app

Without ``REDIS_URL`` it protects itself alone.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from fastapi_hybrid_breaker import (
    CIRCUIT_OPEN_RESPONSES,
    CircuitConfig,
    CircuitOpenError,
    HybridBreaker,
    circuit,
)

from .changes import record_changes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "inventory-api"


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with inventory:
        yield


app = FastAPI(title="shop", lifespan=lifespan)
breaker = HybridBreaker(
    app,
    redis=os.environ.get("REDIS_URL") or None,
    circuits={
        KEY: CircuitConfig(
            failure_threshold=int(os.environ.get("FAILURE_THRESHOLD", "5")),
            recovery_timeout=float(os.environ.get("RECOVERY_TIMEOUT", "10")),
        )
    },
)
inventory = httpx.AsyncClient(
    base_url=os.environ.get("UPSTREAM_URL", "http://127.0.0.1:9000"),
    transport=breaker.transport(httpx.AsyncHTTPTransport(), circuit=KEY),
    timeout=2.0,
)
# Open to anyone who reaches it: the demo listens on loopback only.
app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
app.include_router(record_changes(breaker), prefix="/-")


async def left_of(sku: str) -> int:
    answer = await inventory.get("/stock", params={"sku": sku})
    return int(answer.raise_for_status().json()["left"])


@app.get("/stock/{sku}", dependencies=[Depends(circuit(KEY))], responses={**CIRCUIT_OPEN_RESPONSES})
async def stock(sku: str) -> dict[str, str | int]:
    """Answer at once with 503 while the circuit is open."""
    return {"sku": sku, "left": await left_of(sku)}


@app.get("/offers/{sku}")
async def offer(sku: str) -> dict[str, str | int | None]:
    """Answer 200 always: the fallback is an offer that does not say how much is left."""
    try:
        return {"sku": sku, "left": await left_of(sku)}
    except (CircuitOpenError, httpx.HTTPError):
        return {"sku": sku, "left": None}


@app.exception_handler(httpx.HTTPError)
async def bad_gateway(_request: Request, error: httpx.HTTPError) -> JSONResponse:
    return JSONResponse({"detail": f"the inventory failed: {error}"}, status_code=502)
