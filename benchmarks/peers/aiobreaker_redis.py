"""aiobreaker-redis: async only, in memory or with Redis."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from aiobreaker_redis import CircuitBreaker, CircuitOpenError, CircuitState

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "aiobreaker-redis"
    rejections = (CircuitOpenError,)
    shares = True

    async def make(self, setting: Setting) -> Ways:
        client: Any = setting.redis and redis.asyncio.Redis.from_url(setting.redis)
        breaker = CircuitBreaker(
            setting.key,
            failure_threshold=setting.threshold,
            recovery_timeout=setting.open_seconds,
            redis_client=client,
        )
        return Ways(
            call=breaker.call,
            decorate=breaker.wrap(),
            is_closed=lambda: breaker._state is CircuitState.CLOSED,  # noqa: SLF001 - else a coroutine
            close=client.aclose if client else None,
        )
