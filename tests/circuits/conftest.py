from __future__ import annotations

import pytest

from fastapi_hybrid_breaker import Circuit, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import CONFIG


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> HybridBreaker:
    return HybridBreaker(redis=None, defaults=CONFIG, clock=clock)


@pytest.fixture
def circuit(breaker: HybridBreaker) -> Circuit:
    return breaker.circuit("inventory-api")
