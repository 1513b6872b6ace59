"""The inventory service on which the shop depends, with a switch that breaks it.

uvicorn demo_app.upstream:app --port 9000
curl -X POST http://127.0.0.1:9000/-/break
curl -X POST http://127.0.0.1:9000/-/heal
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from zlib import crc32

from fastapi import FastAPI, HTTPException

WORK = 0.002
"""Seconds that looking up the stock takes."""

app = FastAPI(title="inventory")


@dataclass
class Condition:
    broken: bool = False
    calls: int = 0


condition = Condition()


@app.get("/stock")
async def stock(sku: str) -> dict[str, str | int]:
    condition.calls += 1
    await asyncio.sleep(WORK)
    if condition.broken:
        raise HTTPException(500, "the inventory is broken")
    return {"sku": sku, "left": crc32(sku.encode()) % 100}


@app.post("/-/break")
async def break_down() -> dict[str, bool | int]:
    condition.broken = True
    return asdict(condition)


@app.post("/-/heal")
async def heal() -> dict[str, bool | int]:
    condition.broken = False
    return asdict(condition)


@app.get("/-/condition")
async def tell_condition() -> dict[str, bool | int]:
    return asdict(condition)


@app.get("/-/health")
async def health() -> dict[str, str]:
    """Answer that the process runs, which is true of a broken inventory as well."""
    return {"status": "ok"}
