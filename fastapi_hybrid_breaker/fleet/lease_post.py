"""How a process stands to the lease of one circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.circuits.circuit import Circuit


@dataclass(slots=True)
class Post:
    """How this process stands to the lease of one circuit; times are monotonic seconds.

    Args:
        opening: which trouble this is about, see ``ProbeLease``.
        since: from when on calls are counted.
        rejected: calls that had been rejected then.
        look_at: when enough of them were counted; inf: they were.
        not_before: when asking makes sense.
        wants: a call could not be admitted, or will not be at the end of the recovery timeout.
        running: own probes that were reported to run.
        own: own successes that were reported.
        renew_at: when it is to be reported again that they run.
        heard_at: the server's time of the last signal of probes.
    """

    opening: int | None
    since: float
    rejected: int
    look_at: float
    not_before: float
    wants: bool = False
    running: int = 0
    own: int = 0
    renew_at: float = 0.0
    heard_at: float = 0.0

    def has_report_of(self, circuit: Circuit) -> bool:
        """Whether the fleet may not know yet what runs here, or has succeeded."""
        core = circuit._core
        return bool(
            core.machine.probes.running
            or self.running
            or core.machine.probes.own_successes != self.own
        )
