"""Circuits that open again and again."""

from __future__ import annotations

from typing import Any

from fastapi_hybrid_breaker import (
    CircuitConfig,
)

from .machines import FAILURE, OPEN, Machine, run


def make(random: Any = None, **settings: Any) -> Machine:
    defaults: dict[str, Any] = {
        "failure_threshold": 1,
        "success_threshold": 1,
        "recovery_timeout": 10.0,
    }
    return Machine("k", CircuitConfig(**(defaults | settings)), random)


def fail_again(machine: Machine, now: float) -> float:
    """Wait for the end of the open time, fail the probe, and give the time that follows."""
    run(machine, FAILURE, now)
    assert machine.state is OPEN
    return machine.retry_after(now)
