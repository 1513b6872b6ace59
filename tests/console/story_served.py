"""The service of the screenshots: a shop whose dependencies are in trouble."""

from __future__ import annotations

import asyncio
import os
import socket

from fastapi import FastAPI

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    CircuitOpenError,
    CountWindow,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
)

RATE = FailureRate(0.5, window=CountWindow(40), minimum_calls=20)
SLOW = SlowCallRate(0.6, slower_than=0.02, window=CountWindow(40), minimum_calls=20)
CALM = [
    *("auth", "carts", "catalog-db", "exchange-rates", "invoices", "ledger", "loyalty", "media"),
    *("newsletter", "orders-db", "pricing", "reviews", "sessions", "shipping-quotes", "tax"),
    *("wishlist", "warehouse-eu:8443", "warehouse-us:8443"),
]
CIRCUITS = {
    "payments-api": CircuitConfig(
        trip=[RATE, SLOW],
        recovery_timeout=45,
        success_threshold=3,
        backoff=Backoff(multiplier=1.5, maximum=90),
        ramp_seconds=30,
    ),
    "inventory-api": CircuitConfig(failure_threshold=5, recovery_timeout=20, success_threshold=4),
    "search": CircuitConfig(failure_threshold=5, recovery_timeout=900, mode="shadow"),
    "thumbnails": CircuitConfig(failure_threshold=3, recovery_timeout=900, scope="instance"),
    "recommendations": CircuitConfig(trip=[RATE, SLOW], recovery_timeout=60),
    "email": CircuitConfig(failure_threshold=5),
    "fraud-check": CircuitConfig(failure_threshold=5),
    **{name: CircuitConfig(trip=[RATE, SLOW]) for name in CALM},
}

# The pictures name hosts of a shop, and not the machine that they are made on.
socket.gethostname = lambda: os.environ["STORY_HOST"]

app = FastAPI()
breaker = HybridBreaker(app, circuits=CIRCUITS)
app.include_router(breaker.admin_router(auth=None), prefix="/circuits")


@app.post("/play")
async def play(
    key: str, succeed: int = 0, fail: int = 0, slow: int = 0, error: str = "all connections failed"
) -> None:
    async def call(number: int) -> None:
        if number < fail:
            raise ConnectionError(error)
        if number < fail + slow:
            await asyncio.sleep(0.03)

    for number in range(fail + slow + succeed):
        try:
            await breaker.execute(key, call, number)
        except (CircuitOpenError, ConnectionError):
            pass
