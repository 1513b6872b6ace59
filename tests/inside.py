"""How the tests reach what is inside of a circuit: what moves there is mended here."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.circuits import admission, context, eviction, settling

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import pytest

    from fastapi_hybrid_breaker import Circuit, CircuitConfig
    from fastapi_hybrid_breaker.circuits.host import CallObserver, Host
    from fastapi_hybrid_breaker.circuits.listeners import ChangeQueue
    from fastapi_hybrid_breaker.circuits.registry import Registry
    from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
    from fastapi_hybrid_breaker.core.lease import Lease, LeaseWish
    from fastapi_hybrid_breaker.core.news import News, Proposal
    from fastapi_hybrid_breaker.core.override import Override, OverrideNews
    from fastapi_hybrid_breaker.core.peers import Peers
    from fastapi_hybrid_breaker.core.shared_run import Report
    from fastapi_hybrid_breaker.core.states import StateChange
    from fastapi_hybrid_breaker.fleet.sync import FleetSync

admit = admission.admit
settle = settling.settle
settle_error = settling.settle_error

WHERE = {
    "state": "machine.state",
    "generation": "machine.generation",
    "sequence": "machine.sequence",
    "failures": "machine.failures",
    "failures_at": "machine.failures_at",
    "deadline": "machine.open_until",
    "evidence": "machine.evidence",
    "meter": "machine.statistics",
    "run": "machine.statistics.run",
    "older_failures": "machine.statistics.run._older",
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
    "open_until": "machine.open_until",
    "probes_elsewhere": "machine.probes.lease.elsewhere.count",
    "needs_sync": "outbox.needs_sync",
    "tracks_successes": "membership.calls.tracks_successes",
    "shared_run": "membership.calls.run",
    "unsynced": "membership.unsynced",
    "followed": "membership.followed",
    "local_only": "membership.local_only",
    "set_override": "set_override",
    "effective_state": "effective_state",
    "machine": "machine",
    "timed": "timed",
    "free_permit": "free_permit",
    "reject_until": "reject_until",
    "counts_successes": "counts_successes",
    "publish": "publish",
    "statistics": "machine.statistics",
}
"""What stands where in a core, so that a test need not know."""


def look(core: CircuitCore, name: str) -> Any:
    return attrgetter(WHERE.get(name, name))(core)


def put(core: CircuitCore, name: str, value: object) -> None:
    *path, last = WHERE.get(name, name).split(".")
    setattr(attrgetter(".".join(path))(core) if path else core, last, value)


def take_changes(core: CircuitCore) -> list[StateChange]:
    """Return the changes that listeners have not heard of yet, and forget them."""
    changes, core.outbox.changes = core.outbox.changes, []
    return changes


class Inside:
    """The core of one circuit, by the names of ``WHERE``."""

    def __init__(self, core: CircuitCore) -> None:
        vars(self)["core"] = core

    def __getattr__(self, name: str) -> Any:
        return look(vars(self)["core"], name)

    def __setattr__(self, name: str, value: object) -> None:
        put(vars(self)["core"], name, value)


def core_of(circuit: Circuit) -> CircuitCore:
    return circuit._core


def of(circuit: Circuit) -> Inside:
    return Inside(core_of(circuit))


def observer_of(circuit: Circuit) -> Any:
    return circuit._observer


def clock_of(circuit: Circuit) -> Callable[[], float]:
    return circuit._clock


def set_clock(circuit: Circuit, clock: Callable[[], float]) -> None:
    circuit._clock = clock


def mark_guarded_by_route(circuit: Circuit) -> None:
    """As a circuit is that has guarded a request before."""
    circuit._guarded_by_route = True


def observe(circuit: Circuit, observer: CallObserver | None, *, measured: bool) -> None:
    circuit._observe(observer, measured=measured)


def open_here(circuit: Circuit, seconds: float) -> None:
    circuit._open_here(seconds)


def reset_here(circuit: Circuit) -> Proposal:
    return circuit._reset_here()


def put_here(circuit: Circuit, override: Override | None, by: str, reason: str = "") -> None:
    circuit._put_here(override, by, reason)


def configure(circuit: Circuit, config: CircuitConfig) -> None:
    circuit._configure(config)


def after_fork(circuit: Circuit) -> None:
    circuit._after_fork()


def amid_a_change(circuit: Circuit) -> AbstractContextManager[object]:
    """Hold a circuit's lock as whatever changes it does; calls that end now are settled after."""
    return circuit._change()


def lock_of(circuit: Circuit) -> Any:
    return circuit._locked.lock


def replace_lock(circuit: Circuit, lock: Any) -> None:
    circuit._locked.lock = lock


def lock_of_listeners(breaker: HybridBreaker) -> Any:
    return breaker._host.changes._turn


def lock_of_registry(breaker: HybridBreaker) -> Any:
    return breaker._registry._lock


def look_for_room_again(breaker: HybridBreaker) -> None:
    """Make a full registry look at once for circuits that can go."""
    breaker._registry._eviction._looked_at = float("-inf")


def record_evictions(monkeypatch: pytest.MonkeyPatch, tried: list[str]) -> None:
    """Record the keys that a search for room looks at."""
    forget = eviction.Eviction._forget

    def counted(self: eviction.Eviction, key: str) -> bool:
        tried.append(key)
        return forget(self, key)

    monkeypatch.setattr(eviction.Eviction, "_forget", counted)


def permit_in_context() -> Any:
    return context._permit.get()


def changes_of(owner: HybridBreaker | Circuit) -> ChangeQueue:
    """Return the queue in which the changes of all circuits of a breaker wait for listeners."""
    return owner._host.changes


class FleetSide:
    """What the fleet tells one circuit, and asks of it: under its lock, as of now."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def propose(self) -> Proposal | None:
        with self._circuit._hold() as core:
            return core.membership.propose(self._circuit._clock())

    def adopt(self, news: News) -> None:
        with self._circuit._change() as (core, now):
            core.membership.adopt(news, now)

    def adopt_override(self, news: OverrideNews) -> None:
        with self._circuit._change() as (core, now):
            core.adopt_override(news, now)

    def lift(self) -> None:
        with self._circuit._change():
            pass

    def take_report(self, *, collecting: bool) -> Report | None:
        with self._circuit._change() as (core, now):
            return core.membership.take_report(now, collecting=collecting)

    def listen(self, seconds: float) -> None:
        with self._circuit._change() as (core, now):
            core.membership.calls.listen(now, now + seconds)

    def run_ended(self, seconds: float) -> None:
        with self._circuit._change() as (core, now):
            core.membership.calls.run_ended(now, now + seconds)

    def object_to_run(self, since: float) -> bool:
        with self._circuit._hold() as core:
            return core.membership.calls.object_to_run(since)

    def vote(self) -> bool | None:
        with self._circuit._hold() as core:
            return core.membership.vote()

    def withdrew(self) -> None:
        with self._circuit._hold() as core:
            core.membership.withdrew()

    def wish(self) -> LeaseWish | None:
        with self._circuit._hold() as core:
            return core.wish(self._circuit._clock())

    def grant(self, opening: int | None, lease: Lease, successes: int) -> None:
        assert opening is not None
        with self._circuit._hold() as core:
            core.machine.probes.grant(opening, lease, successes)

    def see_lease(self, opening: int | None, until: float, successes: int) -> None:
        assert opening is not None
        with self._circuit._hold() as core:
            core.machine.probes.see_lease(opening, until, successes)

    def hear_probing(self, probes: int, seconds: float, successes: int) -> None:
        with self._circuit._change() as (core, now):
            core.machine.probes.hear_probing(now, probes, seconds, successes)


def host_of(breaker: HybridBreaker) -> Host:
    return breaker._host


def peers_of(breaker: HybridBreaker) -> Peers:
    return breaker._host.peers


def registry_of(breaker: HybridBreaker) -> Registry:
    return breaker._registry


def sync_of(breaker: HybridBreaker) -> FleetSync:
    return breaker._sync


def own_circuit_of(breaker: HybridBreaker, key: str) -> Circuit:
    return breaker._own_circuit(key)


def after_fork_of(breaker: HybridBreaker) -> None:
    breaker._after_fork()
