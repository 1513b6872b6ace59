"""The service: it calls two upstreams, each under a circuit of its own, in all ways there are.

An answer of 502 says that the upstream has failed, and how. Only the shaky one ever does: the
other one's circuit has no reason to open.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

import httpx2
from fastapi import Depends, FastAPI
from starlette.responses import JSONResponse

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker, circuit

from .upstreams import SHAKY, STEADY

TIMEOUTS = {SHAKY: 1.0, STEADY: 60.0}
"""Seconds; a worker that is stopped for a while must not take that for its steady upstream."""

app = FastAPI()
breaker = HybridBreaker(
    app,
    defaults=CircuitConfig(failure_threshold=3, success_threshold=2, recovery_timeout=0.5),
    circuits={SHAKY: CircuitConfig(failure_threshold=3, recovery_timeout=0.5)},
)
app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
for key in (SHAKY, STEADY):
    breaker.circuit(key)  # so that a worker that comes late, and gets no request, knows them too


def client_of(name: str, *, is_guarded: bool) -> httpx2.AsyncClient:
    inner = httpx2.AsyncHTTPTransport(verify=False)
    return httpx2.AsyncClient(
        base_url=os.environ[f"CHAOS_{name.upper()}"],
        timeout=TIMEOUTS[name],
        transport=breaker.transport(inner, circuit=name) if is_guarded else inner,
    )


guarded = {name: client_of(name, is_guarded=True) for name in (SHAKY, STEADY)}
plain = {name: client_of(name, is_guarded=False) for name in (SHAKY, STEADY)}


async def ask(client: httpx2.AsyncClient) -> int:
    answer = await client.get("/answer")
    return answer.raise_for_status().status_code


@app.exception_handler(httpx2.HTTPError)
async def upstream_failed(_: Any, error: Exception) -> Any:
    return JSONResponse({"upstream": type(error).__name__}, 502)


@app.get("/transport/{name}")
async def by_transport(name: str) -> int:
    return await ask(guarded[name])


@app.get("/execute/{name}")
async def by_execute(name: str) -> int:
    return await breaker.execute(name, ask, plain[name])


@app.get("/guard/{name}")
async def by_guard(name: str) -> int:
    async with breaker.circuit(name).guard():
        return await ask(plain[name])


@app.get("/route/shaky", dependencies=[Depends(circuit(SHAKY))])
async def by_route_of_shaky() -> int:
    return await ask(plain[SHAKY])


@app.get("/route/steady")
async def by_route_of_steady(steady: Annotated[Circuit, Depends(circuit(STEADY))]) -> int:
    return await steady.call(ask, plain[STEADY])


@app.get("/-/view")
async def view() -> dict[str, Any]:
    """What this worker knows."""
    status = breaker.sync_status()
    circuits = {one.key: [one.state, str(one.stats().version)] for one in breaker.circuits()}
    return {"pid": os.getpid(), "sync": status.state, "queued": status.queued, "circuits": circuits}
