"""nopanic: rates over a time window; a decorator and a block."""

from __future__ import annotations

from nopanic import CircuitBreaker, CircuitOpen

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "nopanic"
    rejections = (CircuitOpen,)
    rules = ("default", "rates")
    probing = "succeeding"
    note = "default: half of the calls of the last 30 seconds"

    async def make(self, setting: Setting) -> Ways:
        is_rates = setting.rule == "rates"
        breaker = CircuitBreaker(
            min_calls=setting.minimum_calls,
            window=10.0 if is_rates else 30.0,
            reset_timeout=setting.open_seconds,
            half_open_max_calls=setting.successes,
            slow_call_duration=2.0 if is_rates else None,
            slow_call_threshold=0.5 if is_rates else 1.0,
            name=setting.key,
        )
        return Ways(
            decorate=breaker,
            block=breaker.guard,
            decorate_sync=breaker,
            is_closed=lambda: breaker.state == "closed",
        )
