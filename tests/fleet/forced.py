"""An override for the tests of overrides."""

from __future__ import annotations

from fastapi_hybrid_breaker import HybridBreaker

KEY = "inventory-api"


async def force_open(breaker: HybridBreaker, key: str = KEY, seconds: float | None = 3600) -> str:
    return await breaker.override(
        key, "forced_open", by="ann", reason="a migration", seconds=seconds
    )
