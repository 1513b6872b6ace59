"""aiobreaker: pybreaker for asyncio; its Redis client is a blocking one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiobreaker
import redis

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "aiobreaker"
    rejections = (aiobreaker.CircuitBreakerError,)
    shares = True
    library: Any = aiobreaker

    async def make(self, setting: Setting) -> Ways:
        states = self.library.CircuitBreakerState
        storage = close = None
        if setting.redis is not None:
            client: Any = redis.Redis.from_url(setting.redis)
            from_redis = self.library.storage.redis.CircuitRedisStorage
            storage = from_redis(states.CLOSED, client, namespace=setting.key)

            async def close() -> None:
                client.close()

        breaker = self.library.CircuitBreaker(
            fail_max=setting.threshold,
            timeout_duration=timedelta(seconds=setting.open_seconds),
            state_storage=storage,
        )
        return Ways(
            call=breaker.call_async,
            decorate=breaker,
            call_sync=breaker.call,
            decorate_sync=breaker,
            is_closed=lambda: breaker.current_state is states.CLOSED,
            close=close,
        )
