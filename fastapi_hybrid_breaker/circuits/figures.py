"""The figures of one circuit at one moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.states import OPEN, CircuitStats

if TYPE_CHECKING:
    from .circuit import Circuit


def stats_of(circuit: Circuit) -> CircuitStats:
    """Return the figures of ``circuit``; an override that has expired is left out."""
    now = circuit._clock()
    with circuit._hold() as core:
        machine = core.machine
        override = core.override.current
        if override is not None and override.is_over(now):
            override = None
        state = core.effective_state(now)
        retry_after = core.retry_after(now)
        is_fixed = core.override.fixed_state(now) is not None
        is_foreseen = not is_fixed or (override is not None and override.deadline is not None)
        # Of an opening it stays the same, also once it is over.
        wait = retry_after if is_fixed else machine.open_until - now
        rates = core.figures().rates(now)
        return CircuitStats(
            state=state,
            failures=machine.failures_at(now),
            successes=machine.probes.successes,
            next_attempt=time.time() + wait if state is OPEN and is_foreseen else None,
            retry_after=retry_after,
            rejected=circuit.rejected,
            version=core.membership.version,
            calls=rates.calls,
            failure_rate=rates.failed,
            slow_rate=rates.slow,
            reopenings=machine.recovery.reopenings,
            shadowed=circuit.shadowed,
            shadowed_failures=core.shadow.failures,
            mode=core.override.mode(core.config, now),
            override=None if override is None else override.view(now),
            alone=core.membership.local_only,
            ready_to_probe=core.is_ready_to_probe(now),
        )
