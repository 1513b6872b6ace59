"""The application that the tests with several uvicorn processes serve; Redis by environment."""

from __future__ import annotations

import os

from fastapi import Depends, FastAPI
from starlette.responses import JSONResponse, Response

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker, circuit

app = FastAPI()
breaker = HybridBreaker(
    app, defaults=CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=3600)
)
app.include_router(breaker.admin_router(auth=None), prefix="/circuits")


@app.get("/answer/{status}", dependencies=[Depends(circuit("inventory-api"))])
async def answer(status: int) -> Response:
    return JSONResponse({"by": os.getpid()}, status)
