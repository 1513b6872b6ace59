"""The words every other part speaks: states, outcomes, causes, changes, figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from .evidence import NO_EVIDENCE, Evidence

if TYPE_CHECKING:
    from .config import CircuitConfig, Mode
    from .override import OverrideView


class CircuitState(StrEnum):
    """The state of a circuit; each value is spelled as its name, also on the wire."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Outcome(Enum):
    """What a guarded call says about its dependency."""

    SUCCESS = "success"
    FAILURE = "failure"
    NOT_COUNTED = "not counted"


class Cause(StrEnum):
    """Why a circuit changed its state."""

    FAILURES = "failures"
    PROBE_FAILED = "probe_failed"
    PROBES_SUCCEEDED = "probes_succeeded"
    TIMEOUT = "timeout"
    RESET = "reset"
    FLEET = "fleet"
    SLOW_CALLS = "slow_calls"
    HALF_OPEN_EXPIRED = "half_open_expired"
    OVERRIDE = "override"
    OVERRIDE_ENDED = "override_ended"


# Python 3.11 looks up a member in its enum by a function in Python, which costs as much as a bare
# await; the name of a module costs next to nothing.
CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED


READY_TO_PROBE: Final = "ready_to_probe"
"""What a circuit that only waits for a call is called wherever it is shown."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """One change of one circuit, as listeners of ``breaker.on_change`` receive it.

    Args:
        key: the circuit's.
        old, new: the states in force before and after; equal only where an override was set or
            ended without another effect.
        cause: why, seen from this process: ``fleet`` for what another one decided.
        generation: rises with each change of state in this process (an override is none).
        evidence: what it was decided on, by whoever decided it.
        instance: who decided: the name of a process in the fleet, "" outside of a fleet.
        time: when it took effect in this process, epoch seconds by this host's clock.
    """

    key: str
    old: CircuitState
    new: CircuitState
    cause: Cause
    generation: int
    evidence: Evidence = field(default=NO_EVIDENCE, compare=False)
    instance: str = field(default="", compare=False)
    time: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class CircuitStats:
    """The figures of a circuit at one moment; a copy that never changes.

    Args:
        state: what the circuit does now. OPEN lasts until a call comes after the recovery timeout.
        failures: the run of failures (CLOSED), or the run that opened the circuit.
        successes: successful probes of this recovery (0 while CLOSED or OPEN).
        next_attempt: from when on an OPEN circuit admits a probe, epoch seconds by this host's
            clock; None in the other states. For showing only: decisions use monotonic time.
        retry_after: seconds until a call may be admitted; 0.0 when one may be now.
        rejected: calls rejected by this process since the circuit was made; exact where Python has
            its global interpreter lock, approximate on a free-threaded build.
        version: the fleet's number of this state; 0 as long as it was never shared.
        calls: counted calls in the window of its first rule that has one, else None.
        failure_rate: failures among them, 0.0 to 1.0; None without such calls.
        slow_rate: slow calls in the window, 0.0 to 1.0; None where none is measured.
        reopenings: openings in a row, without a recovery that lasted between them.
        shadowed: calls that would have been rejected, had the mode not been ``"shadow"``; as exact
            as ``rejected``.
        shadowed_failures: those of them that failed.
        mode: ``"enforce"`` or ``"shadow"``: as it is configured, or as an override sets it.
        override: the manual override, or None.
        alone: its state binds only this process: by its scope, or since its quorum is not reached.
        ready_to_probe: the recovery timeout has elapsed and nobody calls: the next call is admitted
            as a probe, and until then nobody is rejected. ``state`` stays what it is, mostly OPEN.
    """

    state: CircuitState
    failures: int
    successes: int
    next_attempt: float | None
    retry_after: float
    rejected: int
    version: int
    calls: int | None = None
    failure_rate: float | None = None
    slow_rate: float | None = None
    reopenings: int = 0
    shadowed: int = 0
    shadowed_failures: int = 0
    mode: Mode = "enforce"
    override: OverrideView | None = None
    alone: bool = False
    ready_to_probe: bool = False


def never_used(config: CircuitConfig) -> CircuitStats:
    """Return the figures of a circuit that this process does not know."""
    return CircuitStats(
        state=CircuitState.CLOSED,
        failures=0,
        successes=0,
        next_attempt=None,
        retry_after=0.0,
        rejected=0,
        version=0,
        mode=config.mode,
    )


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A circuit as pages show it, known to this process or read from Redis.

    ``open_at`` names the instances that have it open for themselves alone.
    """

    key: str
    config: CircuitConfig
    stats: CircuitStats
    history: tuple[StateChange, ...] = ()
    open_at: tuple[str, ...] = ()
