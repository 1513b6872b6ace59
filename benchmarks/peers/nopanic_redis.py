"""nopanic-redis: nopanic's breaker with its window in Redis."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from nopanic import CircuitOpen
from nopanic_redis import redis_circuit_breaker

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "nopanic-redis"
    rejections = (CircuitOpen,)
    rules = ()
    probing = "succeeding"
    shares = True
    note = "with Redis only"

    async def make(self, setting: Setting) -> Ways:
        client: Any = redis.asyncio.Redis.from_url(setting.redis or "")
        breaker = redis_circuit_breaker(
            client,
            name=setting.key,
            min_calls=setting.minimum_calls,
            reset_timeout=setting.open_seconds,
            half_open_max_calls=setting.successes,
        )
        return Ways(decorate=breaker, close=client.aclose)
