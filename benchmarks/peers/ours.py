"""fastapi_hybrid_breaker, set up as its peers are."""

from __future__ import annotations

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
    TimeWindow,
)

from .adapter import LONG, Adapter, Setting, Ways

NAME = "fastapi-hybrid-breaker"


class Ours(Adapter):
    name = NAME
    rejections = (CircuitOpenError,)
    rules = ("default", "rates")
    probing = "succeeding"
    shares = True

    async def make(self, setting: Setting) -> Ways:
        breaker = make_breaker(setting)
        circuit = breaker.circuit(setting.key)
        if setting.redis is not None:
            await breaker.start()
        return Ways(
            call=circuit.call,
            decorate=circuit,
            block=circuit.guard,
            call_sync=circuit.call_sync,
            decorate_sync=circuit,
            is_closed=lambda: circuit.state is CircuitState.CLOSED,
            close=None if setting.redis is None else breaker.stop,
        )


def make_breaker(setting: Setting) -> HybridBreaker:
    """Make a breaker whose circuits are set up so."""
    settings = {
        "success_threshold": setting.successes,
        "recovery_timeout": setting.open_seconds,
        "half_open_timeout": LONG,
    }
    window = TimeWindow(10.0)
    least = setting.minimum_calls
    config = (
        CircuitConfig(failure_threshold=setting.threshold, **settings)  # type: ignore[arg-type]
        if setting.rule == "default"
        else CircuitConfig(
            trip=[
                FailureRate(0.5, window=window, minimum_calls=least),
                SlowCallRate(0.5, slower_than=2.0, window=window, minimum_calls=least),
            ],
            **settings,  # type: ignore[arg-type]
        )
    )
    return HybridBreaker(redis=setting.redis, defaults=config)
