"""How the tests reach the core of a circuit, and short words for what they do over and over."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core import fleet_trips
from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.probe import Probe, Ticket
from fastapi_hybrid_breaker.core.states import Cause, CircuitState, Outcome, StateChange

if TYPE_CHECKING:
    from collections.abc import Callable

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
SUCCESS, FAILURE, NOT_COUNTED = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NOT_COUNTED

OPEN_TIME = 60.0
"""Seconds; the open time of the machines made here, unless a test says otherwise."""


_WHERE = {
    "state": "machine.state",
    "generation": "machine.generation",
    "sequence": "machine.sequence",
    "failures": "machine.failures",
    "failures_at": "machine.failures_at",
    "deadline": "machine.open_until",
    "evidence": "machine.evidence",
    "meter": "machine.statistics",
    "run": "machine.statistics.run",
    "successes": "machine.probes.successes",
    "probes": "machine.probes.running",
    "standoff": "machine.probes.standoff",
    "last_sign": "machine.probes.last_probe_at",
    "rejected_inside": "machine.probes.rejected_inside",
    "runs_probes": "machine.probes.is_probing",
    "see_probing": "machine.probes.see_probing",
    "grant": "machine.probes.grant",
    "see_lease": "machine.probes.see_lease",
    "hear_probing": "machine.probes.hear_probing",
    "suspect_probing": "machine.probes.suspect_probing",
    "opening": "machine.probes.lease.opening",
    "lease": "machine.probes.lease.current",
    "wants_lease": "machine.probes.lease.is_wanted",
    "taken_until": "machine.probes.lease.elsewhere.taken_until",
    "expect_calls": "machine.probes.lease.expect_calls",
    "calls_are_rare": "machine.probes.lease.calls_are_rare",
    "changed_at": "machine.changed_at",
    "run_ended": "membership.calls.run_ended",
    "calls_per_second": "machine.probes.lease.calls_per_second",
    "reopenings": "machine.recovery.reopenings",
    "recovered_at": "machine.recovery.recovered_at",
    "ramp": "machine.recovery.ramp",
    "keeps_failing": "machine.recovery.keeps_failing",
    "touched": "outbox.needs_sync",
    "version": "membership.version",
    "writer": "membership.writer",
    "unshared": "membership.unsynced",
    "has_voted": "membership.has_voted",
    "propose": "membership.propose",
    "describe": "membership.describe",
    "confirm": "membership.confirm",
    "adopt": "membership.adopt",
    "vote": "membership.vote",
    "withdrew": "membership.withdrew",
    "join": "membership.join",
    "forget_fleet": "membership.forget_fleet",
    "take_report": "membership.take_report",
    "alone": "membership.local_only",
    "peers": "membership.sharing.peers",
    "is_bound": "membership.sharing.shares_probes",
    "contribution": "membership.calls.run",
    "noting": "membership.calls.tracks_successes",
    "listen": "membership.calls.listen",
    "put": "set_override",
    "in_force": "effective_state",
    "refresh": "publish",
    "override": "override.current",
    "override_version": "override.version",
}
"""What is where in a core, so that a test need not know."""


class Machine:
    """A core, whose methods return the change that listeners would hear of."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        if "peers" in settings:
            settings["peers"] = settings.pop("peers")
        vars(self)["core"] = CircuitCore(*args, **settings)

    def __getattr__(self, name: str) -> Any:
        if name in {"judge_fleet", "trip_by_run"}:
            return partial(self._do, partial(getattr(fleet_trips, name), self.core))
        found = attrgetter(_WHERE.get(name, name))(self.core)
        return partial(self._do, found) if callable(found) else found

    def __setattr__(self, name: str, value: object) -> None:
        *path, last = _WHERE.get(name, name).split(".")
        setattr(attrgetter(".".join(path))(self.core) if path else self.core, last, value)

    def _do(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.core.outbox.changes.clear()
        result = method(*args, **kwargs)
        self.core.publish()
        changes = self.core.outbox.take()
        return changes[-1] if changes and result is None else result

    def admit(self, now: float, kind: object = None) -> tuple[Ticket | None, StateChange | None]:
        self.core.outbox.changes.clear()
        ticket = self.core.admit(now, kind)
        changes = self.core.outbox.take()
        return ticket, changes[-1] if changes else None


def fields_of(machine: Machine) -> dict[str, object]:
    """Give all fields of a core and of its parts, to see whether any of them changes."""
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
