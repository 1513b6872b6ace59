"""purgatory: contexts from a factory, in memory or read from Redis for each call."""

from __future__ import annotations

from purgatory import (
    AsyncCircuitBreakerFactory,
    AsyncInMemoryUnitOfWork,
    AsyncRedisUnitOfWork,
    SyncCircuitBreakerFactory,
)
from purgatory.domain.model import OpenedState

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "purgatory"
    rejections = (OpenedState,)
    shares = True
    note = "async with: on a breaker that is asked for once"

    async def make(self, setting: Setting) -> Ways:
        def settings() -> dict[str, float]:
            return {
                "default_threshold": setting.threshold,
                "default_ttl": setting.open_seconds,
            }

        if setting.redis is not None:
            shared = AsyncRedisUnitOfWork(setting.redis)
            factory = AsyncCircuitBreakerFactory(**settings(), uow=shared)
            await factory.initialize()
            return Ways(decorate=factory(setting.key), close=shared.contexts.redis.aclose)
        factory = AsyncCircuitBreakerFactory(**settings(), uow=AsyncInMemoryUnitOfWork())
        breaker = await factory.get_breaker(setting.key)
        return Ways(
            decorate=factory(setting.key),
            block=lambda: breaker,
            decorate_sync=SyncCircuitBreakerFactory(**settings())(setting.key),
            is_closed=lambda: breaker.context.state == "closed",
        )
