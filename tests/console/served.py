"""The service whose console the browser tests look at; Redis and the rest by environment."""

from __future__ import annotations

import os

from fastapi import FastAPI, HTTPException

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker, bearer_token
from fastapi_hybrid_breaker.core.opening import Backoff
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.windows import CountWindow

TOKEN = "correct-horse-battery"  # noqa: S105 - of the tests alone

BUSY = CircuitConfig(
    trip=FailureRate(0.5, CountWindow(20), minimum_calls=10),
    recovery_timeout=3600,
    backoff=Backoff(),
)
CIRCUITS = {
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
app.include_router(
    breaker.admin_router(auth=bearer_token(TOKEN) if os.environ.get("TEST_AUTH") else None),
    prefix=os.environ.get("TEST_PREFIX", "/circuits"),
)


async def _return() -> None:
    pass


@app.post("/play")
async def play(key: str, fail: int = 0, succeed: int = 0, error: str = "no route") -> dict[str, int]:
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
