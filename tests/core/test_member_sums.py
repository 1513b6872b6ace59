"""What a CLOSED circuit makes of the calls of its whole fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.rules import ConsecutiveFailures, FailureRate, SlowCallRate
from fastapi_hybrid_breaker.core.states import Cause
from fastapi_hybrid_breaker.core.windows import TimeWindow

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    admit,
    change,
    probe,
    run,
    trip,
)
from .members import fleet, member

if TYPE_CHECKING:
    from .machines import Machine


WINDOW = TimeWindow(8.0, 8)
RATE = FailureRate(0.5, window=WINDOW, minimum_calls=10)


# -- what the fleet's sums do -----------------------------------------------------------------


def sums(machine: Machine, *kinds: int) -> dict[str, tuple[int, ...]]:
    return {machine.meter.books[0].name: kinds}


def test_opens_by_the_rate_of_the_whole_fleet_and_says_so() -> None:
    machine = member(trip=RATE)
    run(machine, SUCCESS)
    opening = machine.judge_fleet(machine.generation, sums(machine, 6, 6, 0, 0, 0), 3.0)
    assert opening == change(CLOSED, OPEN, Cause.FAILURES, 1)
    assert machine.unshared
    assert machine.retry_after(3.0) == OPEN_TIME
    evidence = opening.evidence
    assert evidence.rule == f"{RATE}, in the whole fleet"
    assert (evidence.window, evidence.calls, evidence.failed) == ("last 8 s", 12, 6)
    assert evidence.cause == "failures"


def test_opens_by_slow_calls_of_the_whole_fleet() -> None:
    rule = SlowCallRate(0.5, slower_than=1.0, window=WINDOW, minimum_calls=4)
    machine = member(trip=rule)
    opening = machine.judge_fleet(machine.generation, sums(machine, 2, 0, 1, 0, 1), 0.0)
    assert opening == change(CLOSED, OPEN, Cause.SLOW_CALLS, 1)
    assert (opening.evidence.calls, opening.evidence.slow) == (4, 2)


def test_the_fleets_calls_open_nothing_that_they_do_not_fulfil() -> None:
    machine = member(trip=RATE)
    assert machine.judge_fleet(0, sums(machine, 7, 6, 0, 0, 0), 0.0) is None
    assert machine.judge_fleet(0, sums(machine, 0, 9, 0, 0, 0), 0.0) is None
    assert machine.state is CLOSED


def test_opens_by_a_run_of_the_whole_fleet_and_says_so() -> None:
    machine = member(failure_threshold=3)
    machine.settle(admit(machine), FAILURE, 0.0, error=ValueError("lost"))
    opening = machine.trip_by_run(machine.generation, 4, 1.0)
    assert opening == change(CLOSED, OPEN, Cause.FAILURES, 1)
    assert machine.unshared
    assert machine.failures == 4
    assert machine.retry_after(1.0) == OPEN_TIME
    evidence = opening.evidence
    assert evidence.rule == "3 failures in a row, in the whole fleet"
    assert (evidence.failures, evidence.error) == (4, "ValueError: lost")
    assert (evidence.cause, evidence.window) == ("failures", "")


def test_opens_by_a_run_though_its_own_part_of_it_is_forgotten() -> None:
    machine = member(failure_threshold=3)
    opening = machine.trip_by_run(machine.generation, 3, 1.0)
    assert opening is not None
    assert opening.evidence.error == ""


def by_run(machine: Machine, generation: int) -> object:
    return machine.trip_by_run(generation, 99, 100.0)


def by_rate(machine: Machine, generation: int) -> object:
    return machine.judge_fleet(generation, sums(machine, 0, 99, 0, 0, 0), 100.0)


@pytest.mark.parametrize("tripped", [by_run, by_rate])
def test_the_fleets_sums_count_only_in_the_generation_that_told_them(tripped: Any) -> None:
    machine = member(trip=[RATE, ConsecutiveFailures(50)])
    generation = machine.generation
    machine.reset(0.0)
    assert tripped(machine, generation) is None
    assert machine.state is CLOSED
    assert tripped(machine, machine.generation) is not None


@pytest.mark.parametrize("tripped", [by_run, by_rate])
def test_the_fleets_sums_change_nothing_unless_closed(tripped: Any) -> None:
    machine = member(fleet(live=1), trip=[RATE, ConsecutiveFailures(5)])
    trip(machine)
    deadline = machine.deadline
    assert tripped(machine, machine.generation) is None
    assert (machine.state, machine.deadline) == (OPEN, deadline)
    probe(machine, OPEN_TIME)
    assert tripped(machine, machine.generation) is None
    assert machine.state is HALF_OPEN


def test_with_a_quorum_the_fleets_rate_opens_only_where_the_trouble_is_seen() -> None:
    machine = member(trip=RATE, quorum=2)
    run(machine, SUCCESS)
    assert machine.judge_fleet(0, sums(machine, 0, 99, 0, 0, 0), 0.0) is None
    run(machine, FAILURE)
    assert machine.judge_fleet(0, sums(machine, 0, 99, 0, 0, 0), 0.0) is not None
    assert machine.alone


def test_with_a_quorum_trouble_that_is_over_here_opens_nothing() -> None:
    machine = member(trip=RATE, quorum=2)
    run(machine, FAILURE)
    assert machine.judge_fleet(0, sums(machine, 0, 99, 0, 0, 0), 8.0) is None
