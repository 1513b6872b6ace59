"""A circuit on which the outcome of one call can be read."""

from __future__ import annotations

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

KEY = "upstream"


class Bench:
    """A breaker with one circuit, ``KEY``: CLOSED after one failure, or about to probe.

    Either way success, failure and no verdict leave it in three different conditions.
    """

    def __init__(self, *, probing: bool, config: CircuitConfig | None = None) -> None:
        self.clock = ManualClock()
        self.probing = probing
        self.config = config or CircuitConfig(
            failure_threshold=100, success_threshold=2, half_open_max_calls=1
        )
        self.breaker = HybridBreaker(redis=None, clock=self.clock, circuits={KEY: self.config})
        self.circuit = self.breaker.circuit(KEY)
        if probing:
            self.open()
            self.clock.advance(self.config.recovery_timeout)
        else:
            inside.settle(self.circuit, inside.admit(self.circuit), Outcome.FAILURE)

    def open(self) -> None:
        """Open the circuit."""
        inside.open_here(self.circuit, self.config.recovery_timeout)

    def outcome(self) -> Outcome:
        """Return what the one call since the beginning said."""
        stats = self.circuit.stats()
        if not self.probing:
            assert stats.state is CircuitState.CLOSED
            return {
                0: Outcome.SUCCESS,
                1: Outcome.NOT_COUNTED,
                2: Outcome.FAILURE,  # more: counted twice
            }[stats.failures]
        if stats.state is CircuitState.OPEN:
            assert stats.retry_after > 0.0, "no call was made"
            return Outcome.FAILURE
        assert stats.state is CircuitState.HALF_OPEN
        assert stats.retry_after == 0.0, "the probe has not given its place back"
        return {0: Outcome.NOT_COUNTED, 1: Outcome.SUCCESS}[stats.successes]
