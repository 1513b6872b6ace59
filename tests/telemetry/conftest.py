"""A breaker that is measured, on a clock to turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from fastapi_hybrid_breaker import Circuit, CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.telemetry import instrument
from fastapi_hybrid_breaker.testing import ManualClock
from tests.fleet.conftest import server, shared_server  # noqa: F401 - fixtures

from .collected import Collected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG = CircuitConfig(failure_threshold=2, success_threshold=1, recovery_timeout=10.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def provider(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    provider = MeterProvider(metric_readers=[reader])
    yield provider
    provider.shutdown()


@pytest.fixture
def breaker(clock: ManualClock, provider: MeterProvider) -> Iterator[HybridBreaker]:
    breaker = HybridBreaker(
        redis=None, defaults=CONFIG, circuits={"stock": CONFIG, "host:*": CONFIG}, clock=clock
    )
    undo = instrument(breaker, meter_provider=provider)
    yield breaker
    undo()


@pytest.fixture
def circuit(breaker: HybridBreaker) -> Circuit:
    return breaker.circuit("stock")


@pytest.fixture
def collect(reader: InMemoryMetricReader) -> Callable[[], Collected]:
    return lambda: Collected(reader)
