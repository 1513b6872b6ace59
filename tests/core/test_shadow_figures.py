"""The figures of shadow mode: each call once, and none that has no place in them."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.override import make_override
from fastapi_hybrid_breaker.core.probe import UNCOUNTED
from fastapi_hybrid_breaker.core.rules import CountWindow, FailureRate

from .machines import FAILURE, OPEN_TIME, SUCCESS, Machine, make, probe, run, trip

RATE = FailureRate(0.5, window=CountWindow(10), minimum_calls=2)


def trying() -> Machine:
    return make(mode="shadow", trip=RATE)


def calls(machine: Machine) -> int | None:
    found: int | None = machine.figures().rates(OPEN_TIME).calls
    return found


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_a_call_that_passed_as_a_mere_gate_is_not_in_the_figures(outcome: object) -> None:
    machine = trying()
    machine.settle(UNCOUNTED, outcome, 0.0)
    assert calls(machine) == 0
    machine.settle(machine.sequence, outcome, 0.0)
    assert calls(machine) == 1


def test_a_probe_that_is_settled_twice_is_in_the_figures_once() -> None:
    machine = trying()
    run(machine, FAILURE)
    run(machine, FAILURE)
    first = probe(machine, OPEN_TIME)
    for _ in range(2):
        machine.settle(first, FAILURE, OPEN_TIME)
        assert calls(machine) == 3


def test_an_opening_that_the_fleet_knows_is_not_proposed_again_after_shadow_mode() -> None:
    machine = Machine("k", CircuitConfig(recovery_timeout=OPEN_TIME))
    trip(machine)
    machine.unsynced = False  # the fleet has confirmed it
    shadow = make_override("shadow", by="ann", reason="a trial", seconds=None, now=0.0)
    machine.put(shadow, "ann", 0.0)
    assert machine.propose(0.0) is None
    machine.put(None, "ann", 1.0)
    assert machine.propose(1.0) is None


def test_after_a_fork_the_figures_are_of_the_childs_own_calls() -> None:
    machine = trying()
    run(machine, FAILURE)
    machine.after_fork()
    assert calls(machine) == 0
    run(machine, FAILURE)
    assert calls(machine) == 1
