"""How the tests reach what is inside of a circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import HybridBreaker

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.core.lease import Lease, LeaseWish
    from fastapi_hybrid_breaker.core.news import News, Proposal
    from fastapi_hybrid_breaker.core.override import OverrideNews
    from fastapi_hybrid_breaker.core.shared_run import Report


def lock_of(circuit: Circuit) -> Any:
    return circuit._locked.lock


def replace_lock(circuit: Circuit, lock: Any) -> None:
    circuit._locked.lock = lock


def breaker_of(circuit: Circuit) -> HybridBreaker:
    breaker = circuit._host
    assert isinstance(breaker, HybridBreaker)
    return breaker


class FleetSide:
    """What the fleet tells one circuit, and asks of it: under its lock, as of now."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def propose(self) -> Proposal | None:
        with self._circuit.locked() as core:
            return core.membership.propose(self._circuit.clock())

    def adopt(self, news: News) -> None:
        with self._circuit.changing() as (core, now):
            core.membership.adopt(news, now)

    def adopt_override(self, news: OverrideNews) -> None:
        with self._circuit.changing() as (core, now):
            core.adopt_override(news, now)

    def lift(self) -> None:
        with self._circuit.changing():
            pass

    def take_report(self, *, collecting: bool) -> Report | None:
        with self._circuit.changing() as (core, now):
            return core.membership.take_report(now, collecting=collecting)

    def listen(self, seconds: float) -> None:
        with self._circuit.changing() as (core, now):
            core.membership.calls.listen(now, now + seconds)

    def run_ended(self, seconds: float) -> None:
        with self._circuit.changing() as (core, now):
            core.membership.calls.run_ended(now, now + seconds)

    def object_to_run(self, since: float) -> bool:
        with self._circuit.locked() as core:
            return core.membership.calls.object_to_run(since)

    def vote(self) -> bool | None:
        with self._circuit.locked() as core:
            return core.membership.vote()

    def withdrew(self) -> None:
        with self._circuit.locked() as core:
            core.membership.withdrew()

    def wish(self) -> LeaseWish | None:
        with self._circuit.locked() as core:
            return core.wish(self._circuit.clock())

    def grant(self, opening: int | None, lease: Lease, successes: int) -> None:
        assert opening is not None
        with self._circuit.locked() as core:
            core.machine.probes.grant(opening, lease, successes)

    def see_lease(self, opening: int | None, until: float, successes: int) -> None:
        assert opening is not None
        with self._circuit.locked() as core:
            core.machine.probes.see_lease(opening, until, successes)

    def hear_probing(self, probes: int, seconds: float, successes: int) -> None:
        with self._circuit.changing() as (core, now):
            core.machine.probes.hear_probing(now, probes, seconds, successes)
