"""How the tests reach the core of a circuit, and short words for what they do over and over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core import fleet_trips
from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.probe import Probe, Ticket
from fastapi_hybrid_breaker.core.states import Cause, CircuitState, Outcome, StateChange
from tests import inside

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED

OPEN_TIME = 60.0
"""Seconds; the open time of the machines made here, unless a test says otherwise."""


class Machine:
    """A core, whose methods return the change that listeners would hear of."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        vars(self)["core"] = CircuitCore(*args, **settings)

    def __getattr__(self, name: str) -> Any:
        if name in {"judge_fleet", "trip_by_run"}:
            return partial(self._do, partial(getattr(fleet_trips, name), self.core))
        found = inside.look(self.core, name)
        return partial(self._do, found) if callable(found) else found

    def __setattr__(self, name: str, value: object) -> None:
        inside.put(self.core, name, value)

    def _do(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        inside.take_changes(self.core)
        result = method(*args, **kwargs)
        inside.look(self.core, "publish")()
        changes = inside.take_changes(self.core)
        return changes[-1] if changes and result is None else result

    def admit(self, now: float, kind: object = None) -> tuple[Ticket | None, StateChange | None]:
        inside.take_changes(self.core)
        ticket = self.core.admit(now, kind)
        changes = inside.take_changes(self.core)
        return ticket, changes[-1] if changes else None


def fields_of(machine: Machine) -> dict[str, object]:
    """Return all fields of a core and of its parts, to see whether any of them changes."""
    found: dict[str, object] = {}
    left: list[tuple[str, Any]] = [("core", machine.core)]
    seen: set[int] = set()
    while left:
        where, part = left.pop()
        for name in type(part).__slots__:
            value = getattr(part, name)
            is_part = hasattr(type(value), "__slots__") and type(value).__module__.startswith(
                "fastapi_hybrid_breaker.core"
            )
            if is_part and not isinstance(value, Probe) and id(value) not in seen:
                seen.add(id(value))
                left.append((f"{where}.{name}", value))
            found[f"{where}.{name}"] = list(value) if isinstance(value, list) else value
    return found


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
    for _ in range(machine.meter.run_threshold):
        change = run(machine, FAILURE, now)
    assert change is not None
    return change


def half_open(now: float = OPEN_TIME, **settings: Any) -> tuple[Machine, Probe]:
    """Return a machine that has opened and whose first probe runs."""
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
