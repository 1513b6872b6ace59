"""circuitbreaker: a decorator; its ``call`` alone asks nothing."""

from __future__ import annotations

from circuitbreaker import CircuitBreaker, CircuitBreakerError

from .adapter import SHORT, Adapter, Setting, Ways


class Peer(Adapter):
    name = "circuitbreaker"
    rejections = (CircuitBreakerError,)

    async def make(self, setting: Setting) -> Ways:
        # Its next call can come within a microsecond.
        seconds = 1e-9 if setting.open_seconds == SHORT else setting.open_seconds
        breaker = CircuitBreaker(setting.threshold, seconds, name=setting.key)
        return Ways(
            decorate=breaker.decorate,
            decorate_sync=breaker.decorate,
            is_closed=lambda: breaker.state == "closed",
        )
