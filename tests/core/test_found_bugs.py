"""What circuits in a fleet do not do yet as they say."""

from __future__ import annotations

from random import Random

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.fleet.errands import Errands
from fastapi_hybrid_breaker.fleet.knowledge import Knowledge
from fastapi_hybrid_breaker.fleet.leases import Leases
from fastapi_hybrid_breaker.fleet.wire import Names
from fastapi_hybrid_breaker.testing import ManualClock

from .machines import HALF_OPEN, NO_VERDICT, OPEN, OPEN_TIME, is_rejected, news, probe
from .members import lease, opened


def test_every_probe_here_puts_off_the_one_that_does_not_wait_for_a_lease() -> None:
    """``last_sign`` is when anybody was last known to probe; only the first probe here is noted."""
    machine = opened(success_threshold=5)
    for now in (OPEN_TIME, OPEN_TIME + 4.0):
        machine.grant(machine.opening, lease(now), 0)
        machine.settle(probe(machine, now), NO_VERDICT, now)
    # That lease has ended, and somebody else may have the next without our having heard of it.
    assert is_rejected(machine, OPEN_TIME + 4.0 + OVERDUE_AFTER - 0.01)
    probe(machine, OPEN_TIME + 4.0 + OVERDUE_AFTER)


def test_a_late_refusal_of_an_earlier_recovery_brings_no_successes_into_the_next() -> None:
    """A late grant is refused for this reason; "held" carries the same number, and is not."""
    clock = ManualClock()
    config = CircuitConfig(success_threshold=3)
    breaker = HybridBreaker(redis=None, defaults=config, clock=clock)
    around = breaker.registry.surroundings
    around.has_fleet, around.is_connected, around.live = True, True, 3
    knowledge = Knowledge(
        breaker.registry, Errands(100), instance="a", clock=clock, random=Random(1)
    )
    leases = Leases(knowledge, Names("circuit"), random=Random(1))
    circuit = breaker.circuit("k")
    circuit.adopt(news(5, HALF_OPEN))
    circuit.machine.admit(clock())
    leases.changed(circuit)
    assert leases.stirred(circuit)
    (request,) = leases.take(clock(), 10)
    circuit.adopt(news(6, OPEN, remaining=0.25))
    leases.changed(circuit)
    clock.advance(0.5)
    circuit.adopt(news(7, HALF_OPEN))
    leases.changed(circuit)
    leases.answered(request, [b"held", b"1000", b"0", b"2"])
    assert circuit.machine.successes == 0
