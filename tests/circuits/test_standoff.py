"""A probe that encloses, unseen, the call that needs its place."""

from __future__ import annotations

from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker

from .parts import ONE_PROBE, let_probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.testing import ManualClock


def enclosing(circuit: Circuit) -> Callable[[], Any]:
    """Return a function that makes a call as an executor does: in a context of its own."""

    def inner() -> int:
        return 1

    def outer() -> int:
        return Context().run(circuit.call_sync, inner)

    return outer


@pytest.mark.parametrize("way", ["call_sync", "guard"])
def test_a_circuit_recovers_whose_only_probe_encloses_a_call_in_another_context(
    breaker: HybridBreaker, clock: ManualClock, way: str
) -> None:
    """It was HALF_OPEN for good: each probe ended because the call inside of it was rejected."""
    circuit = breaker.circuit("upstream", ONE_PROBE)
    outer = enclosing(circuit)
    let_probe(circuit, clock)
    for _ in range(2):
        with suppress(CircuitOpenError):
            if way == "guard":
                with circuit.guard():
                    outer()
            else:
                circuit.call_sync(outer)
    assert circuit.state == "CLOSED"
