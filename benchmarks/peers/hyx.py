"""hyx: a decorator and a context manager."""

from __future__ import annotations

from hyx.circuitbreaker.api import consecutive_breaker
from hyx.circuitbreaker.exceptions import BreakerFailing

from .adapter import Adapter, Setting, Ways


class Peer(Adapter):
    name = "hyx"
    rejections = (BreakerFailing,)
    probing = "succeeding"

    async def make(self, setting: Setting) -> Ways:
        breaker = consecutive_breaker(
            failure_threshold=setting.threshold,
            recovery_time_secs=setting.open_seconds,
            recovery_threshold=setting.successes,
        )
        return Ways(
            decorate=breaker,
            block=lambda: breaker,
            is_closed=lambda: breaker.state.name == "working",
        )
