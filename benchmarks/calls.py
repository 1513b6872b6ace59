"""What a guarded call costs beside the bare one: ``make bench``."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitOpenError,
    FailureRate,
    HybridBreaker,
    SlowCallRate,
    TimeWindow,
)
from fastapi_hybrid_breaker.telemetry import instrument

from .rounds import measure, table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def work(value: int) -> int:
    return value


class ByHand:
    """The least that can be called a breaker: an ``if`` and a ``try``."""

    def __init__(self) -> None:
        self.is_open = False
        self.failures = 0

    async def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        if self.is_open:
            raise RuntimeError
        try:
            result = await fn(*args)
        except Exception:
            self.failures += 1
            raise
        self.failures = 0
        return result


def awaiting(call: Callable[..., Awaitable[Any]], *args: Any) -> Callable[[int], Awaitable[None]]:
    async def case(calls: int) -> None:
        for _ in range(calls):
            await call(*args)

    return case


def make_cases() -> dict[str, Callable[[int], Awaitable[None]]]:
    window = TimeWindow(10.0)
    breaker = HybridBreaker(
        redis=None,
        circuits={
            "rates": CircuitConfig(
                trip=[
                    FailureRate(0.5, window=window),
                    SlowCallRate(0.5, slower_than=2.0, window=window),
                ]
            ),
        },
    )
    circuit, rates, routed = (breaker.circuit(key) for key in ("default", "rates", "routed"))
    routed.watch()
    opened = breaker.circuit("open")
    opened.open_here(3600.0)
    unread, metered = (HybridBreaker(redis=None) for _ in range(2))
    instrument(unread, meter_provider=MeterProvider())  # no exporter
    instrument(metered, meter_provider=MeterProvider(metric_readers=[InMemoryMetricReader()]))

    async def guard(calls: int) -> None:
        for _ in range(calls):
            async with circuit.guard():
                await work(1)

    async def rejection(calls: int) -> None:
        for _ in range(calls):
            try:
                await opened.call(work, 1)
            except CircuitOpenError:
                continue

    async def call_sync(calls: int) -> None:
        for _ in range(calls):
            circuit.call_sync(abs, 1)

    async def bare_sync(calls: int) -> None:
        for _ in range(calls):
            abs(1)

    return {
        "bare await": awaiting(work, 1),
        "by hand": awaiting(ByHand().call, work, 1),
        "call": awaiting(circuit.call, work, 1),
        "decorator": awaiting(circuit(work), 1),
        "call, a route guards": awaiting(routed.call, work, 1),
        "execute": awaiting(circuit.execute, work, 1),
        "execute by key": awaiting(breaker.execute, "default", work, 1),
        "async with guard()": guard,
        "call, two rates": awaiting(rates.call, work, 1),
        "call, nobody reads": awaiting(unread.circuit("default").call, work, 1),
        "call, measured": awaiting(metered.circuit("default").call, work, 1),
        "rejection": rejection,
        "bare sync call": bare_sync,
        "call_sync": call_sync,
    }


def main() -> None:
    logging.getLogger("fastapi_hybrid_breaker").addHandler(logging.NullHandler())
    found = asyncio.run(measure(make_cases(), rounds=60, calls=5_000))
    sys.stdout.write(table(found, "bare await") + "\n")


if __name__ == "__main__":
    main()
