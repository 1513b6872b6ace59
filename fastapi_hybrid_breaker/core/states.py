"""The words every other part speaks: states, outcomes, causes, changes, figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import CircuitConfig


class CircuitState(StrEnum):
    """The state of a circuit; each value is spelled as its name, also on the wire."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Outcome(Enum):
    """What a guarded call says about its dependency."""

    SUCCESS = "success"
    FAILURE = "failure"
    NO_VERDICT = "no verdict"


class Cause(StrEnum):
    """Why a circuit changed its state."""

    FAILURES = "failures"
    PROBE_FAILED = "probe_failed"
    PROBES_SUCCEEDED = "probes_succeeded"
    TIMEOUT = "timeout"
    RESET = "reset"
    FLEET = "fleet"


@dataclass(frozen=True, slots=True)
class StateChange:
    """One change of one circuit, as listeners of ``breaker.on_change`` receive it.

    ``generation`` rises with each change of the circuit in this process: two threads may call
    a listener out of order, and this number says which change is the later one.
    """

    key: str
    old: CircuitState
    new: CircuitState
    cause: Cause
    generation: int


@dataclass(frozen=True, slots=True)
class CircuitStats:
    """The figures of a circuit at one moment; a copy that never changes.

    Args:
        state: what the circuit does now. OPEN lasts until a call comes after the open time.
        failures: the run of failures (CLOSED), or the run that opened the circuit.
        successes: successful probes of this recovery (0 while CLOSED or OPEN).
        next_attempt: when an OPEN circuit admits a probe, epoch seconds by this host's clock;
            None in the other states. For showing only: decisions use monotonic time.
        retry_after: seconds until a call may be admitted; 0.0 when one may be now.
        rejected: calls rejected by this process since the circuit was made.
        version: the fleet's number of this state; 0 as long as it was never shared.
    """

    state: CircuitState
    failures: int
    successes: int
    next_attempt: float | None
    retry_after: float
    rejected: int
    version: int


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A circuit as pages show it, known to this process or read from Redis."""

    key: str
    config: CircuitConfig
    stats: CircuitStats
