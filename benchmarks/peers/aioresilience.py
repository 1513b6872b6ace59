"""aioresilience: async only; logs an error for each failure."""

from __future__ import annotations

from aioresilience import CircuitBreaker, CircuitConfig
from aioresilience.circuit_breaker import CircuitState
from aioresilience.exceptions import CircuitBreakerOpenError

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "aioresilience"
    rejections = (CircuitBreakerOpenError,)

    probing = "failing"

    async def make(self, setting: Setting) -> Ways:
        breaker = CircuitBreaker(
            setting.key,
            CircuitConfig(
                failure_threshold=setting.threshold,
                recovery_timeout=setting.open_seconds,
                success_threshold=setting.successes,
            ),
        )
        return Ways(call=breaker.call, is_closed=lambda: breaker.state is CircuitState.CLOSED)
