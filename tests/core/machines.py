"""Short words for what the tests of the state machine do over and over."""

from __future__ import annotations

from typing import Any

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.machine import Machine
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.probe import Probe, Ticket
from fastapi_hybrid_breaker.core.states import Cause, CircuitState, Outcome, StateChange

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SUCCESS, FAILURE, NO_VERDICT = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NO_VERDICT

OPEN_TIME = 60.0
"""Seconds; the open time of the machines made here, unless a test says otherwise."""


def make(**settings: Any) -> Machine:
    return Machine("k", CircuitConfig(**{"recovery_timeout": OPEN_TIME, **settings}))


def admit(machine: Machine, now: float = 0.0) -> Ticket:
    ticket, _ = machine.admit(now)
    assert ticket is not None, "rejected"
    return ticket


def probe(machine: Machine, now: float) -> Probe:
    ticket = admit(machine, now)
    assert isinstance(ticket, Probe)
    return ticket


def is_rejected(machine: Machine, now: float) -> bool:
    ticket, _ = machine.admit(now)
    return ticket is None


def run(machine: Machine, outcome: Outcome, now: float = 0.0) -> StateChange | None:
    return machine.settle(admit(machine, now), outcome, now)


def trip(machine: Machine, now: float = 0.0) -> StateChange:
    """Fail until the circuit opens."""
    for _ in range(machine.meter.run):
        change = run(machine, FAILURE, now)
    assert change is not None
    return change


def half_open(now: float = OPEN_TIME, **settings: Any) -> tuple[Machine, Probe]:
    """Give a machine that has opened and whose first probe runs."""
    machine = make(**settings)
    trip(machine, now - machine.config.recovery_timeout)
    return machine, probe(machine, now)


def change(old: CircuitState, new: CircuitState, cause: Cause, generation: int) -> StateChange:
    return StateChange("k", old, new, cause, generation)


def news(
    version: int,
    state: CircuitState,
    *,
    remaining: float = 0.0,
    failures: int = 0,
    writer: str = "w",
) -> News:
    return News(version, writer, state, failures, successes=0, remaining=remaining)
