"""fluxgate: windows and conditions to be put together."""

from __future__ import annotations

from typing import Any

from fluxgate import AsyncCircuitBreaker, CircuitBreaker
from fluxgate.errors import CallNotPermittedError
from fluxgate.permits import All
from fluxgate.retries import Cooldown
from fluxgate.trippers import FailureRate, FailureStreak, HalfOpened, MinRequests, SlowRate
from fluxgate.windows import CountWindow, TimeWindow

from .adapter import MANY, Adapter, Setting, Ways


class Peer(Adapter):
    name = "fluxgate"
    rejections = (CallNotPermittedError,)
    rules = ("default", "rates")
    note = "default: 5 failures in a row, over its window of 100 calls"

    async def make(self, setting: Setting) -> Ways:
        breaker = AsyncCircuitBreaker(**_arguments(setting))
        sync = CircuitBreaker(**_arguments(setting))
        return Ways(
            call=breaker.call,
            decorate=breaker,
            call_sync=sync.call,
            decorate_sync=sync,
            is_closed=lambda: breaker.info().state == "closed",
        )


def _arguments(setting: Setting) -> dict[str, Any]:
    if setting.rule == "rates":
        window = TimeWindow(10)
        rates = FailureRate(0.5) | SlowRate(0.5, threshold=2.0)
        tripper = MinRequests(setting.minimum_calls) & rates
    else:
        window = CountWindow(100)
        tripper = FailureStreak(setting.threshold)
    if setting.successes == MANY:
        # What closes it is that the condition to open it is not met: one that is met always
        # keeps it half-open.
        tripper |= HalfOpened()
    return {
        "window": window,
        "tripper": tripper,
        "retry": Cooldown(setting.open_seconds),
        "permit": All(),
    }
