"""pybreaker: for sync calls (its async ones need Tornado)."""

from __future__ import annotations

from typing import Any

import pybreaker
import redis

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "pybreaker"
    rejections = (pybreaker.CircuitBreakerError,)
    probing = "succeeding"
    shares = True

    async def make(self, setting: Setting) -> Ways:
        storage = close = None
        if setting.redis is not None:
            client: Any = redis.Redis.from_url(setting.redis)
            storage = pybreaker.CircuitRedisStorage(
                pybreaker.STATE_CLOSED, client, namespace=setting.key
            )

            async def close() -> None:
                client.close()

        breaker = pybreaker.CircuitBreaker(
            fail_max=setting.threshold,
            reset_timeout=setting.open_seconds,
            success_threshold=setting.successes,
            state_storage=storage,
        )
        return Ways(
            call_sync=breaker.call,
            decorate_sync=breaker,
            is_closed=lambda: breaker.current_state == pybreaker.STATE_CLOSED,
            close=close,
        )
