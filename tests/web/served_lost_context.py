"""``lost_context.py`` for uvicorn; Redis and the number of successes by environment."""

from __future__ import annotations

import os

from fastapi_hybrid_breaker import CircuitConfig

from .lost_context import Shop

redis = os.environ.get("CIRCUIT_REDIS_URL")
config = CircuitConfig(
    success_threshold=int(os.environ.get("SUCCESS_THRESHOLD", "2")),
    recovery_timeout=0.2 if redis else 60.0,
)
app = Shop(config, redis).app
