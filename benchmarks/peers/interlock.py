"""interlock-cb: rates over a window, of calls by default or of time; polls Redis."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from interlock import CircuitBreaker, CircuitOpenError, Config, State
from interlock.integrations.redis import AsyncRedisStorage
from interlock.window import WindowType

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "interlock-cb"
    rejections = (CircuitOpenError,)
    rules = ("default", "rates")
    probing = "succeeding"
    shares = True
    note = "default: half of the last 100 calls"

    async def make(self, setting: Setting) -> Ways:
        window: dict[str, Any] = {}
        if setting.rule == "rates":
            window = {
                "window_type": WindowType.TIME_BASED,
                "window_size": 10,
                "slow_call_duration_threshold": 2.0,
                "slow_call_rate_threshold": 0.5,
            }
        config = Config(
            minimum_number_of_calls=setting.minimum_calls,
            wait_duration_in_open=setting.open_seconds,
            permitted_calls_in_half_open=setting.successes,
            **window,
        )
        if setting.redis is None:
            breaker = CircuitBreaker(name=setting.key, config=config)
            close = None
        else:
            client: Any = redis.asyncio.Redis.from_url(setting.redis)
            breaker = CircuitBreaker(
                name=setting.key, config=config, storage=AsyncRedisStorage(client)
            )

            async def close() -> None:
                await breaker.aclose()
                await client.aclose()

        return Ways(
            call=breaker.call_async,
            decorate=breaker,
            block=lambda: breaker,
            call_sync=None if setting.redis else breaker.call_sync,
            decorate_sync=None if setting.redis else breaker,
            is_closed=lambda: breaker.state is State.CLOSED,
            close=close,
        )
