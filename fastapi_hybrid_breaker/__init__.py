"""A circuit breaker for FastAPI and Starlette services that run as many processes.

A guarded call is decided in this process's memory, in every state; what one process learns is
shared with the others over Redis in the background.
"""

from __future__ import annotations

from .circuits.circuit import Circuit
from .circuits.guard import Guard
from .circuits.host import Reach, ResetResult
from .core.backoff import Backoff
from .core.config import CircuitConfig
from .core.errors import CircuitOpenError, NotInstalledError
from .core.evidence import Evidence
from .core.override import OverrideKind, OverrideView
from .core.rules import ConsecutiveFailures, FailureRate, Rule, SlowCallRate
from .core.states import Cause, CircuitState, CircuitStats, CircuitView, StateChange
from .core.windows import CountWindow, TimeWindow
from .fleet.instances import Instance, UnhealthyCircuit
from .fleet.status import SyncState, SyncStatus
from .health import Health
from .hybrid import HybridBreaker
from .web.bearer import bearer_token
from .web.dependency import circuit
from .web.problem import CIRCUIT_OPEN_RESPONSES
from .web.starlette_guard import CircuitGuard

__all__ = [
    "CIRCUIT_OPEN_RESPONSES",
    "Backoff",
    "Cause",
    "Circuit",
    "CircuitConfig",
    "CircuitGuard",
    "CircuitOpenError",
    "CircuitState",
    "CircuitStats",
    "CircuitView",
    "ConsecutiveFailures",
    "CountWindow",
    "Evidence",
    "FailureRate",
    "Guard",
    "Health",
    "HybridBreaker",
    "Instance",
    "NotInstalledError",
    "OverrideKind",
    "OverrideView",
    "Reach",
    "ResetResult",
    "Rule",
    "SlowCallRate",
    "StateChange",
    "SyncState",
    "SyncStatus",
    "TimeWindow",
    "UnhealthyCircuit",
    "bearer_token",
    "circuit",
]
