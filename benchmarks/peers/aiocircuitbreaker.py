"""aiocircuitbreaker: a decorator, as circuitbreaker, from which it comes."""

from __future__ import annotations

from aiocircuitbreaker.aiocircuitbreaker import CircuitBreaker, CircuitBreakerError, State

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "aiocircuitbreaker"
    rejections = (CircuitBreakerError,)

    async def make(self, setting: Setting) -> Ways:
        breaker = CircuitBreaker(setting.threshold, setting.open_seconds, name=setting.key)
        return Ways(decorate=breaker.decorate, is_closed=lambda: breaker.state is State.CLOSED)
