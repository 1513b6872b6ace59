"""circuit-breaker-box: a part of a retrier, which asks it before each try."""

from __future__ import annotations

from typing import Any

import redis.asyncio
import tenacity
from circuit_breaker_box import CircuitBreakerInMemory, Retrier
from circuit_breaker_box.circuit_breaker_redis import CircuitBreakerRedis
from circuit_breaker_box.errors import HostUnavailableError

from .adapter import Adapter, AsyncCall, Setting, Ways


class Peer(Adapter):
    name = "circuit-breaker-box"
    rejections = (HostUnavailableError,)
    probing = None
    shares = True
    note = "two tries at most; only second tries count as failures"

    async def make(self, setting: Setting) -> Ways:
        settings: dict[str, Any] = {
            "reset_timeout_in_seconds": int(setting.open_seconds) or 1,
            "max_failure_count": setting.threshold,
        }
        client: Any = None
        if setting.redis is None:
            breaker = CircuitBreakerInMemory(max_cache_size=100, **settings)
        else:
            client = redis.asyncio.Redis.from_url(setting.redis)
            breaker = CircuitBreakerRedis(redis_connection=client, **settings)
        retrier = Retrier(
            wait_strategy=tenacity.wait_none(),
            stop_rule=tenacity.stop_after_attempt(2),
            retry_cause=tenacity.retry_if_not_exception_type(HostUnavailableError),
            circuit_breaker=breaker,
        )

        async def call(fn: AsyncCall, *args: Any) -> Any:
            return await retrier.retry(fn, setting.key, *args)

        return Ways(call=call, close=client.aclose if client else None)
