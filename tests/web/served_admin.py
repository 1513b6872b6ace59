"""An application with the admin router, for tests that serve it by uvicorn.

Redis is that of ``CIRCUIT_REDIS_URL``; the router is open to anyone, unless ``ADMIN_TOKEN`` is set.
"""

from __future__ import annotations

import os

from fastapi import FastAPI

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker, bearer_token

token = os.environ.get("ADMIN_TOKEN")

app = FastAPI()
breaker = HybridBreaker(
    app,
    circuits={"inventory-api": CircuitConfig(), "host:8080/a b": CircuitConfig(quorum=2)},
)
app.include_router(
    breaker.admin_router(auth=None if token is None else bearer_token(token)), prefix="/circuits"
)
