"""What the tests of the web parts share: the states to start from, and one request's verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.applications import Starlette

    from fastapi_hybrid_breaker import Circuit

SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED

KEY = "inventory-api"

CONFIG = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=10.0)


def make_breaker(app: Starlette | None = None) -> tuple[HybridBreaker, ManualClock]:
    clock = ManualClock()
    return HybridBreaker(app, redis=None, defaults=CONFIG, clock=clock), clock


def client_of(app: Starlette) -> TestClient:
    """Make a client without a lifespan, for which the server's errors are answers."""
    return TestClient(app, raise_server_exceptions=False)


def trip(circuit: Circuit) -> None:
    while circuit.state is not CircuitState.OPEN:
        inside.settle(circuit, inside.admit(circuit), FAILURE)


def make_half_open(circuit: Circuit, clock: ManualClock) -> None:
    """Let the open time pass and one probe come and go without a verdict."""
    trip(circuit)
    clock.advance(circuit.config.recovery_timeout)
    inside.settle(circuit, inside.admit(circuit), NOT_COUNTED)
    assert circuit.state is CircuitState.HALF_OPEN


def arm(circuit: Circuit) -> None:
    """Close the circuit and count one failure, so that each outcome of a call shows."""
    inside.reset_here(circuit)
    inside.settle(circuit, inside.admit(circuit), FAILURE)
    assert circuit.stats().failures == 1


def read(circuit: Circuit) -> Outcome:
    """Return what the one call since ``arm`` said."""
    return {0: SUCCESS, 1: NOT_COUNTED, 2: FAILURE}[circuit.stats().failures]


def calm(circuit: Circuit) -> None:
    """Close the circuit with nothing counted, as most are: where only a failure shows."""
    inside.reset_here(circuit)
    inside.mark_guarded_by_route(circuit)  # as a circuit is that has guarded a request before


def read_calm(circuit: Circuit, verdict: Outcome) -> None:
    """Check that the one call since ``calm`` said what one said that met an armed circuit."""
    assert circuit.stats().failures == (1 if verdict is FAILURE else 0)
    assert circuit.state is CircuitState.CLOSED


def verdict_of(circuit: Circuit, act: Callable[[], object]) -> Outcome:
    """Return what ``act`` says about a CLOSED circuit, be it calm or one failure from that."""
    arm(circuit)
    act()
    verdict = read(circuit)
    calm(circuit)
    act()
    read_calm(circuit, verdict)
    return verdict
