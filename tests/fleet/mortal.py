"""The application of the tests that kill and freeze processes; Redis by environment.

Its circuits recover within the test. Everything under /-/ is for the tests.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from starlette.responses import JSONResponse, Response, StreamingResponse

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker, circuit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi_hybrid_breaker import StateChange

KEY = "inventory-api"

app = FastAPI()
breaker = HybridBreaker(
    app,
    # One probe at once: a probe that never ends is in the way of all others.
    defaults=CircuitConfig(
        failure_threshold=3, success_threshold=2, half_open_max_calls=1, recovery_timeout=0.5
    ),
)
app.include_router(breaker.admin_router(auth=None), prefix="/circuits")


@app.get("/answer/{status}", dependencies=[Depends(circuit(KEY))])
async def answer(status: int) -> Response:
    return JSONResponse({"by": os.getpid()}, status)


@app.get("/endless", dependencies=[Depends(circuit(KEY))])
async def endless() -> Response:
    """Answer 200 and never come to an end: whoever sees the head holds a permit."""

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    return StreamingResponse(body())


@app.get("/-/pid")
async def pid() -> int:
    return os.getpid()


@app.post("/-/die-when-it-opens/{turns}")
async def die_when_it_opens(turns: int) -> None:
    """Die without a word so many turns of the loop after the circuit has opened here."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def later(left: int) -> None:
        if left:
            asyncio.get_running_loop().call_soon(later, left - 1)
        else:
            die()

    def note(change: StateChange) -> None:
        if change.new is CircuitState.OPEN:
            later(turns)

    breaker.on_change(note)
