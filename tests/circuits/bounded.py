"""A breaker of few circuits, to see which of them make room."""

from __future__ import annotations

from typing import Any

from fastapi_hybrid_breaker import (
    Circuit,
    CircuitConfig,
    CircuitState,
    HybridBreaker,
)
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.inside import FleetSide

CONFIG = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=10.0)


class Breaker(HybridBreaker):
    """With few places, and short words for what the tests do; no circuit stays held."""

    def __init__(self, most: int, config: CircuitConfig = CONFIG, **options: Any) -> None:
        self.time = ManualClock()
        super().__init__(redis=None, max_circuits=most, defaults=config, clock=self.time, **options)

    @property
    def keys(self) -> set[str]:
        return set(inside.registry_of(self).by_key)

    def use(self, *keys: str) -> None:
        for key in keys:
            assert self.circuit(key).key == key

    def settle(self, key: str, outcome: Outcome) -> None:
        circuit = self.circuit(key)
        inside.settle(circuit, inside.admit(circuit), outcome)

    def fail(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.settle(key, Outcome.FAILURE)

    def trip(self, *keys: str) -> None:
        for key in keys:
            self.fail(key, 3)
            assert self.state(key) == "OPEN"

    def hears(
        self, key: str, state: str, remaining: float = 60.0, version: int = 7
    ) -> Circuit | None:
        circuit = inside.registry_of(self).hear_of(key)
        if circuit is not None:
            FleetSide(circuit).adopt(News(version, "b", CircuitState(state), 1, 0, remaining))
        return circuit

    def churn(self, count: int, name: str = "tenant") -> None:
        for number in range(count):
            self.circuit(f"{name}-{number}")
