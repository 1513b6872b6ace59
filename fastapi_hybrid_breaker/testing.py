"""For the tests of services that use this library: an open circuit, and a clock to turn.

::

    import pytest
    from fastapi.testclient import TestClient
    from fastapi_hybrid_breaker.testing import open_circuit

    from shop import app, breaker

    def test_the_stock_page_says_when_to_come_back():
        with open_circuit(breaker, "inventory-api", retry_after=30.0):
            response = TestClient(app).get("/stock/42")
        assert response.status_code == 503
        assert response.headers["Retry-After"] == "30"

A test of a recovery turns a clock instead of waiting::

    clock = ManualClock()
    breaker = HybridBreaker(app, redis=None, clock=clock)
    ...
    clock.advance(60.0)  # the recovery timeout has elapsed: the next call is a probe
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from .core.checks import check_seconds
from .core.states import CircuitState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .breaker import Breaker
    from .circuits.circuit import Circuit

__all__ = ["ManualClock", "open_circuit"]


@contextlib.contextmanager
def open_circuit(breaker: Breaker, key: str, retry_after: float = 60.0) -> Iterator[Circuit]:
    """Hold a circuit OPEN in this process for the length of a ``with`` block.

    Calls in the block are rejected, as after a trip; those that were running when it began no
    longer count. Afterwards the circuit is CLOSED with empty counts, or OPEN for as long as it
    was going to be before the block. Other processes do not learn of it, but their updates still
    arrive: give the breaker of a test ``redis=None``.

    Args:
        breaker: whose circuit it is.
        key: the circuit's key; the circuit is made if it does not exist.
        retry_after: seconds for which rejected callers are asked to wait, above 0, at most 86,400;
            by the breaker's clock. After that time the circuit would admit a probe.

    Raises:
        TypeError, ValueError: a key or a time out of range.
    """
    check_seconds("retry_after", retry_after)
    circuit = breaker.circuit(key)
    before = circuit.stats()
    circuit._open_here(retry_after)
    try:
        yield circuit
    finally:
        if before.state is CircuitState.OPEN:
            circuit._open_here(before.retry_after)
        else:
            circuit._reset_here()


class ManualClock:
    """A clock that stands still until it is moved: ``HybridBreaker(clock=ManualClock())``.

    Args:
        now: what it shows at first, in seconds; any number will do.
    """

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Return the time shown, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Turn the clock forward.

        Raises:
            ValueError: ``seconds`` is negative or not finite: monotonic time never goes back.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"a clock advances by 0 seconds or more, not {seconds!r}")
        self._now += seconds
