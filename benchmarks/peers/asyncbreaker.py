"""asyncbreaker: pybreaker's states with storages to be awaited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import redis.asyncio
from asyncbreaker import CircuitBreaker, CircuitError, CircuitState, RedisStorage

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "asyncbreaker"
    rejections = (CircuitError,)
    shares = True

    async def make(self, setting: Setting) -> Ways:
        storage = close = None
        if setting.redis is not None:
            client: Any = redis.asyncio.Redis.from_url(setting.redis)
            storage = RedisStorage(redis=client, namespace=setting.key)
            await storage.initialize()
            close = client.aclose
        breaker = CircuitBreaker(
            fail_max=setting.threshold,
            timeout_duration=timedelta(seconds=setting.open_seconds),
            state_storage=storage,
        )
        return Ways(
            call=breaker.call,
            decorate=breaker,
            is_closed=lambda: breaker._state.state is CircuitState.CLOSED,  # noqa: SLF001 - else a coroutine
            close=close,
        )
