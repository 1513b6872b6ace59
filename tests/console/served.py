"""The service whose console the browser tests look at; Redis and the rest by environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    CircuitOpenError,
    CountWindow,
    FailureRate,
    HybridBreaker,
    bearer_token,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "correct-horse-battery"  # noqa: S105 - of the tests alone

BUSY = CircuitConfig(
    trip=FailureRate(0.5, window=CountWindow(20), minimum_calls=10),
    recovery_timeout=3600,
    backoff=Backoff(),
)
CIRCUITS = {
    "idle:*": CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=2),
    "payments-api": BUSY,
    "shadowed": CircuitConfig(failure_threshold=3, recovery_timeout=3600, mode="shadow"),
    "alone": CircuitConfig(failure_threshold=3, recovery_timeout=3600, scope="instance"),
}

app = FastAPI(root_path=os.environ.get("TEST_ROOT_PATH", ""))
breaker = HybridBreaker(
    app,
    defaults=CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=3600),
    circuits=CIRCUITS,
)


def find_auth() -> Callable[..., Any] | None:
    if os.environ.get("TEST_AUTH"):
        return bearer_token(TOKEN)
    caller = os.environ.get("TEST_CALLER")
    return None if caller is None else lambda: caller


app.include_router(
    breaker.admin_router(auth=find_auth()),
    prefix=os.environ.get("TEST_PREFIX", "/circuits"),
)

if "TEST_CORS" in os.environ:  # an application that lets in the pages of all origins
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])

mounted = FastAPI()
mounted.mount("/outer/team", app)


async def _return() -> None:
    pass


@app.post("/play")
async def play(
    key: str, fail: int = 0, succeed: int = 0, error: str = "no route"
) -> dict[str, int]:
    """Make calls under a circuit; tells how many of them it rejected."""

    async def raise_error() -> None:
        raise ConnectionError(error)

    rejected = 0
    for number in range(fail + succeed):
        try:
            await breaker.execute(key, raise_error if number < fail else _return)
        except CircuitOpenError:
            rejected += 1
        except ConnectionError:
            pass
    return {"rejected": rejected}


@app.post("/many")
async def many(number: int) -> None:
    """Know as many circuits."""
    for index in range(number):
        breaker.circuit(f"host-{index:04}.example.com:443")
