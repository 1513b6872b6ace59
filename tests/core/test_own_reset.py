"""What was counted here after this very process had reset the circuit, before it had one."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import CLOSED, OPEN, Cause, Outcome

from .machines import run, trip
from .members import fleet, member

HERE, THERE = "here", "there"


def reset_by(writer: str, *, version: int = 7, age: float = 0.1) -> News:
    evidence = Evidence(cause=Cause.RESET)
    return News(version, writer, CLOSED, 0, 0, 0.0, evidence=evidence, age=age)


def test_a_trip_stands_that_follows_a_reset_by_this_process() -> None:
    around = fleet()
    around.instance = HERE
    machine = member(around)
    trip(machine, 0.0)
    machine.adopt(reset_by(HERE), 0.2, refused=True)
    assert (machine.state, machine.version, machine.writer) == (OPEN, 7, HERE)
    assert machine.propose(0.2) is not None  # on top of the reset


def test_failures_count_that_follow_a_reset_by_this_process() -> None:
    around = fleet()
    around.instance = HERE
    machine = member(around)
    run(machine, Outcome.FAILURE)
    machine.adopt(reset_by(HERE), 0.2)
    assert (machine.state, machine.failures, machine.version) == (CLOSED, 1, 7)


@pytest.mark.parametrize("instance", [HERE, ""])
def test_a_reset_by_another_process_ends_a_trip_that_did_not_know_of_it(instance: str) -> None:
    around = fleet()
    around.instance = instance
    machine = member(around)
    trip(machine, 0.0)
    machine.adopt(reset_by(THERE), 0.2, refused=True)
    assert (machine.state, machine.version) == (CLOSED, 7)
    assert machine.propose(0.2) is None


def test_a_second_reset_by_this_process_ends_a_trip() -> None:
    around = fleet()
    around.instance = HERE
    machine = member(around)
    trip(machine, 0.0)
    machine.adopt(reset_by(HERE), 0.2)
    machine.adopt(reset_by(HERE, version=8), 0.3, refused=True)
    assert (machine.state, machine.version) == (CLOSED, 8)
