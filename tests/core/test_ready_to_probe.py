"""An open circuit that nobody calls is ready to probe: it rejects nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.evidence import Evidence
from fastapi_hybrid_breaker.core.machine import QUIET_AFTER
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.override import make_override
from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.core.states import Cause

from .machines import (
    FAILURE,
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    Machine,
    half_open,
    is_rejected,
    make,
    probe,
    run,
    trip,
)


def test_it_is_so_from_the_end_of_the_open_time_until_the_next_call() -> None:
    machine = make(success_threshold=1)
    assert not machine.is_ready_to_probe(0.0)
    trip(machine, 0.0)
    assert not machine.is_ready_to_probe(OPEN_TIME - 0.001)
    assert machine.is_ready_to_probe(OPEN_TIME)
    assert machine.is_ready_to_probe(OPEN_TIME * 1_000)
    assert machine.state is OPEN
    running = probe(machine, OPEN_TIME * 1_000)
    assert not machine.is_ready_to_probe(OPEN_TIME * 1_000)
    machine.settle(running, FAILURE, OPEN_TIME * 1_001)
    assert not machine.is_ready_to_probe(OPEN_TIME * 1_001)
    assert machine.is_ready_to_probe(OPEN_TIME * 1_002)


def bound() -> Machine:
    """Return a machine of a fleet in which another instance has the right to probe."""
    around = Peers()
    around.is_connected, around.live, around.has_fleet = True, 2, True
    machine = Machine("k", CircuitConfig(recovery_timeout=OPEN_TIME), peers=around)
    trip(machine, 0.0)
    return machine


def test_who_was_rejected_after_the_open_time_waits_for_a_while() -> None:
    machine = bound()
    assert is_rejected(machine, OPEN_TIME - 1.0)
    assert machine.is_ready_to_probe(OPEN_TIME)  # that was before
    machine.see_lease(machine.opening, OPEN_TIME + 10.0, 0)
    assert is_rejected(machine, OPEN_TIME + 8.0)
    assert not machine.is_ready_to_probe(OPEN_TIME + 8.0)
    assert not machine.is_ready_to_probe(OPEN_TIME + 8.0 + QUIET_AFTER - 0.001)
    assert machine.is_ready_to_probe(OPEN_TIME + 8.0 + QUIET_AFTER)


def test_whether_it_is_ready_is_shown_as_true_or_false() -> None:
    """Pages showed null for one that had rejected somebody."""
    machine = bound()
    shown = [machine.is_ready_to_probe(now) for now in (0.0, OPEN_TIME)]
    machine.see_lease(machine.opening, OPEN_TIME + 10.0, 0)
    assert is_rejected(machine, OPEN_TIME)
    shown.append(machine.is_ready_to_probe(OPEN_TIME))
    assert shown == [False, True, False]


@pytest.mark.parametrize("kind", ["forced_open", "disabled"])
def test_under_an_override_nothing_is_probed(kind: str) -> None:
    machine = make()
    trip(machine, 0.0)
    machine.put(make_override(kind, by="a", reason="b", seconds=99.0, now=0.0), "a", 0.0)
    assert not machine.is_ready_to_probe(OPEN_TIME)
    assert machine.is_ready_to_probe(99.0)


@pytest.mark.parametrize("kind", ["forced_open", "disabled", "shadow", "enforced"])
@pytest.mark.parametrize("longest", [None, 1.0, 20.0])
@pytest.mark.parametrize("after", [0.0, 0.5, QUIET_AFTER - 0.001, QUIET_AFTER, 30.0])
def test_what_is_ready_after_an_override_has_expired_does_not_reject(
    kind: str, longest: float | None, after: float
) -> None:
    machine, running = half_open(success_threshold=2, half_open_max_duration=longest)
    machine.settle(running, NOT_COUNTED, OPEN_TIME)
    override = make_override(kind, by="a", reason="b", seconds=99.0, now=OPEN_TIME)
    machine.put(override, "a", OPEN_TIME)
    now = OPEN_TIME + 99.0 + after
    is_ready = machine.is_ready_to_probe(now)
    assert is_ready == (after >= QUIET_AFTER)
    machine.core.lift(now)
    assert machine.is_ready_to_probe(now) == is_ready
    if is_ready:
        assert not is_rejected(machine, now)


def test_half_open_without_a_probe_is_ready_once_nobody_calls() -> None:
    machine, running = half_open(success_threshold=2)
    assert not machine.is_ready_to_probe(OPEN_TIME + QUIET_AFTER)  # it runs
    machine.settle(running, SUCCESS, OPEN_TIME + 9.0)
    other = probe(machine, OPEN_TIME + 10.0)
    machine.settle(other, NOT_COUNTED, OPEN_TIME + 10.0)
    assert not machine.is_ready_to_probe(OPEN_TIME + 10.0 + QUIET_AFTER - 0.001)
    assert machine.is_ready_to_probe(OPEN_TIME + 10.0 + QUIET_AFTER)
    assert machine.state is HALF_OPEN


def test_who_was_rejected_while_a_probe_ran_waits_for_a_while() -> None:
    machine, running = half_open(success_threshold=1)
    assert is_rejected(machine, OPEN_TIME + 4.0)
    machine.settle(running, NOT_COUNTED, OPEN_TIME + 4.5)
    assert not machine.is_ready_to_probe(OPEN_TIME + 4.0 + QUIET_AFTER - 0.001)
    assert machine.is_ready_to_probe(OPEN_TIME + 4.0 + QUIET_AFTER)


def test_half_open_is_not_ready_while_another_instance_may_probe() -> None:
    machine = bound()
    machine.adopt(News(5, "b", HALF_OPEN, 1, 0, 0.0), OPEN_TIME)
    machine.see_lease(machine.opening, OPEN_TIME + 20.0, 0)
    assert not machine.is_ready_to_probe(OPEN_TIME + 19.9)
    assert machine.is_ready_to_probe(OPEN_TIME + 20.0)


# -- a circuit that keeps failing -------------------------------------------------------------


def fail_a_probe(machine: Machine, now: float) -> None:
    machine.settle(probe(machine, now), FAILURE, now)


def test_two_failed_recoveries_within_an_hour_are_a_dead_upstream() -> None:
    machine = make(success_threshold=2)
    trip(machine, 0.0)
    fail_a_probe(machine, 300.0)
    assert not machine.keeps_failing(300.0)
    fail_a_probe(machine, 600.0)
    assert machine.keeps_failing(600.0)
    assert machine.keeps_failing(3_900.0)
    assert not machine.keeps_failing(3_900.1)


def test_a_success_between_them_shows_that_it_is_not_dead() -> None:
    machine = make(success_threshold=2)
    trip(machine, 0.0)
    for now in (300.0, 600.0, 900.0):
        run(machine, SUCCESS, now)
        fail_a_probe(machine, now)
        assert not machine.keeps_failing(now)
    for _ in range(2):
        run(machine, SUCCESS, 1200.0)
    trip(machine, 1200.0)
    fail_a_probe(machine, 1300.0)
    assert not machine.keeps_failing(1300.0)


def test_what_other_instances_tell_of_it_counts_once() -> None:
    machine = bound()
    why = Evidence(cause=Cause.PROBE_FAILED)
    reopened = News(5, "b", OPEN, 1, 0, OPEN_TIME, evidence=why)
    machine.adopt(reopened, 100.0)  # its HALF_OPEN was too short to be heard of
    machine.adopt(replace(reopened, version=6, writer="c"), 101.0)  # two probes at once
    assert not machine.keeps_failing(101.0)
    machine.adopt(News(7, "b", HALF_OPEN, 1, 0, 0.0), 200.0)
    machine.adopt(replace(reopened, version=8), 201.0)
    assert machine.keeps_failing(201.0)
    machine.adopt(replace(reopened, version=9, evidence=replace(why, successes=1)), 300.0)
    assert not machine.keeps_failing(300.0)


def test_an_opening_at_the_end_of_the_one_before_is_another_failed_recovery() -> None:
    machine = bound()
    why = Evidence(cause=Cause.PROBE_FAILED)
    reopened = News(5, "b", OPEN, 1, 0, OPEN_TIME, evidence=why)
    machine.adopt(reopened, 100.0)
    machine.adopt(replace(reopened, version=6), 100.0 + OPEN_TIME)
    assert machine.keeps_failing(100.0 + OPEN_TIME)


def test_a_rejected_caller_sees_half_open_only_after_the_recovery_timeout() -> None:
    machine = make(success_threshold=1)
    assert machine.shown_state(0.0) == "CLOSED"
    trip(machine, 0.0)
    assert machine.shown_state(OPEN_TIME - 0.001) is OPEN
    assert machine.shown_state(OPEN_TIME) is HALF_OPEN
    probe(machine, OPEN_TIME)
    assert machine.shown_state(OPEN_TIME) is HALF_OPEN


def test_under_a_forced_opening_a_rejected_caller_sees_it_open() -> None:
    forced = make_override("forced_open", by="ann", reason="x", seconds=None, now=0.0)
    machine = make(success_threshold=1)
    machine.set_override(forced, "ann", 0.0)
    assert machine.shown_state(0.0) is OPEN
    machine = make(success_threshold=1)
    trip(machine, 0.0)
    machine.set_override(forced, "ann", 0.0)
    assert machine.shown_state(OPEN_TIME) is OPEN
