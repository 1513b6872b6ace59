"""What circuits in a fleet do not do yet as they say."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.core.meter import Meter
from fastapi_hybrid_breaker.core.rules import FailureRate
from fastapi_hybrid_breaker.core.windows import TimeWindow
from fastapi_hybrid_breaker.testing import ManualClock

from .machines import CLOSED, HALF_OPEN, OPEN, OPEN_TIME, SUCCESS, is_rejected, news, probe, run
from .machines import trip as trip_it
from .members import fleet, lease, member, opened


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TimeWindow(10.0, 10), TimeWindow(10.0, 5)),
        (TimeWindow(10.0, 10), TimeWindow(10.000001, 10)),
    ],
)
def test_windows_that_differ_in_buckets_or_a_little_in_length_are_not_added_up(
    one: TimeWindow, other: TimeWindow
) -> None:
    meter = Meter([FailureRate(0.5, window=one), FailureRate(0.9, window=other)])
    assert len({book.name for book in meter.books}) == 2


def test_the_calls_of_one_window_do_not_open_by_the_rule_of_another_with_its_name() -> None:
    fine, coarse = TimeWindow(10.0, 10), TimeWindow(10.0, 2)
    rules = [FailureRate(0.9, window=fine), FailureRate(0.5, window=coarse)]
    only_fine, both = Meter(rules[:1]), Meter(rules)
    told = {only_fine.books[0].name: (10, 10, 0, 0, 0)}
    assert only_fine.judge_fleet(told) is None
    assert both.judge_fleet(told) is None


def test_retry_after_is_no_invitation_while_the_leases_places_are_taken() -> None:
    machine = opened(half_open_max_calls=2)
    machine.grant(machine.generation, lease(OPEN_TIME, places=1), 0)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) >= 1.0


def test_a_late_grant_of_an_earlier_recovery_is_refused_in_the_next() -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    wish = machine.wish(0.0)
    assert wish is not None
    machine.adopt(news(6, OPEN, remaining=0.25), 0.25)
    machine.adopt(news(7, HALF_OPEN), 0.5)
    machine.grant(wish.generation, lease(0.0), 2)
    assert machine.successes == 0
    assert is_rejected(machine, 0.75)


def test_a_close_that_the_fleet_has_not_seen_is_not_lost_by_an_opening_alone() -> None:
    around = fleet()
    machine = member(around, quorum=2, success_threshold=1, failure_threshold=1)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.grant(machine.generation, lease(0.0), 0)
    run(machine, SUCCESS, 0.0)
    assert (machine.state, machine.unshared) == (CLOSED, True)
    trip_it(machine, 1.0)  # before anybody was told
    assert (machine.state, machine.alone) == (OPEN, True)
    run(machine, SUCCESS, 1.0 + OPEN_TIME)
    assert (machine.state, machine.alone) == (CLOSED, False)
    # The fleet's state is still HALF_OPEN, and this one claims to equal it.
    proposal = machine.propose(1.0 + OPEN_TIME)
    assert proposal is not None
    assert proposal.state is CLOSED


def test_a_success_in_the_first_moment_of_a_clock_is_one() -> None:
    breaker = HybridBreaker(redis=None, clock=ManualClock(0.0))
    breaker.registry.surroundings.has_fleet = True
    circuit = breaker.circuit("k")
    circuit.listen(5.0)
    circuit.call_sync(lambda: None)
    assert circuit.object_to_run(-1.0)
