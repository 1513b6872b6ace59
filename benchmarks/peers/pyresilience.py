"""pyresilience: one decorator for many things, a breaker among them."""

from __future__ import annotations

from typing import Any

from pyresilience import CircuitBreakerConfig, resilient
from pyresilience._exceptions import CircuitOpenError

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "pyresilience"
    rejections = (CircuitOpenError,)
    rules = ("default", "rates")
    probing = "succeeding"
    note = "rates: over 100 calls, it knows no time windows"

    async def make(self, setting: Setting) -> Ways:
        rates: dict[str, Any] = {}
        if setting.rule == "rates":
            rates = {
                "sliding_window_size": 100,
                "minimum_calls": setting.minimum_calls,
                "slow_call_duration": 2.0,
                "slow_call_rate_threshold": 0.5,
            }
        decorate = resilient(
            circuit_breaker=CircuitBreakerConfig(
                failure_threshold=setting.threshold,
                recovery_timeout=setting.open_seconds,
                success_threshold=setting.successes,
                **rates,
            )
        )
        return Ways(decorate=decorate, decorate_sync=decorate)
