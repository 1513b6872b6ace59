"""c-breaker: failures within a time window; needs Python 3.12."""

from __future__ import annotations

from cbreaker import CircuitBreaker, CircuitOpenError, TimeBasedFailureDetector

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "c-breaker"
    rejections = (CircuitOpenError,)
    note = "default: 5 failures in a minute"

    async def make(self, setting: Setting) -> Ways:
        breaker = CircuitBreaker(
            setting.key,
            TimeBasedFailureDetector(failure_threshold=setting.threshold),
            recovery_timeout=setting.open_seconds,
        )
        return Ways(
            call=breaker.call_async,
            call_sync=breaker.call,
            is_closed=lambda: breaker.is_closed,
        )
