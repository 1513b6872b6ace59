"""A circuit's state as the fleet has it, whichever message, hash or answer it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import CircuitState, CircuitStats
from fastapi_hybrid_breaker.core.versions import horizon_at

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.evidence import Evidence


@dataclass(frozen=True, slots=True)
class SharedState:
    """A circuit's state as the fleet has it. Times are epoch seconds by the server's clock.

    Args:
        state, failures, successes: as received.
        next_attempt: when the recovery timeout elapses; 0.0: the circuit is not OPEN.
        version, writer: of the state; 0 and "" from a client of the basic format.
        at: when it was written; 0.0: unknown.
        is_basic: a client of the basic format was the last to write.
        reopenings, evidence: as in ``News``.
        basic_failures: consecutive failures that a client of the basic format has counted since
            we wrote last; only where the hash was read, and CLOSED.
        recovered_at, ramp_began_at: when a recovery closed it, and when its ramp began; 0.0:
            never, or not known.
    """

    state: CircuitState
    failures: int
    successes: int
    next_attempt: float
    version: int = 0
    writer: str = ""
    at: float = 0.0
    is_basic: bool = False
    reopenings: int = 0
    evidence: Evidence | None = None
    basic_failures: int = 0
    recovered_at: float = 0.0
    ramp_began_at: float = 0.0

    def remaining(self, server_now: float | None) -> float:
        """Return the seconds until the next attempt, never more than what was written."""
        if self.state is not CircuitState.OPEN:
            return 0.0
        whole = min(DAY, self.next_attempt - self.at) if self.at else DAY
        left = whole if server_now is None else self.next_attempt - server_now
        return max(0.0, min(left, whole))

    def news(self, server_now: float | None) -> News:
        """Return what a circuit can apply."""

        def since(moment: float) -> float:
            return 0.0 if server_now is None else max(0.0, server_now - moment)

        return News(
            version=self.version,
            writer=self.writer,
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            remaining=self.remaining(server_now),
            reopenings=self.reopenings,
            evidence=self.evidence,
            age=since(self.at),
            recovered_for=since(self.recovered_at) if self.recovered_at else None,
            let_back_for=since(self.ramp_began_at) if self.ramp_began_at else None,
            horizon=horizon_at(server_now),
        )

    def stats(
        self, config: CircuitConfig, wall_now: float, server_now: float | None
    ) -> CircuitStats:
        """Return figures to show for a circuit that this process does not know."""
        remaining = self.remaining(server_now)
        is_open = self.state is CircuitState.OPEN
        return CircuitStats(
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            next_attempt=wall_now + remaining if is_open else None,
            retry_after=remaining,
            rejected=0,
            version=self.version,
            reopenings=self.reopenings,
            mode=config.mode,
            ready_to_probe=is_open and remaining == 0.0,
        )
