"""Who gets the place of a probe that cannot succeed as long as it holds it."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.probe import UNCOUNTED, Probe
from fastapi_hybrid_breaker.core.standoff import ROUTE
from fastapi_hybrid_breaker.core.states import FAILURE, NOT_COUNTED, OPEN, SUCCESS

from .machines import Machine

CONFIG = CircuitConfig(
    failure_threshold=1, success_threshold=9, half_open_max_calls=1, recovery_timeout=10.0
)
NOW = 10.0
OUTER, INNER = "outer", "inner"


class Draws:
    """Numbers to decide by, the next one first; no more are drawn than there are."""

    def __init__(self) -> None:
        self.left: list[float] = []

    def __call__(self) -> float:
        return self.left.pop(0)


@pytest.fixture
def draws() -> Draws:
    return Draws()


@pytest.fixture
def machine(draws: Draws) -> Machine:
    machine = Machine("k", CONFIG, draws)
    reopen(machine)
    return machine


def reopen(machine: Machine) -> None:
    machine.settle(0, FAILURE, 0.0)
    machine.refresh()
    assert machine.state is OPEN


def ask(machine: Machine, kind: object) -> object:
    return machine.admit(NOW, kind)[0]


def probe_of(machine: Machine, kind: object) -> Probe:
    probe = ask(machine, kind)
    assert isinstance(probe, Probe)
    return probe


def end_rejected(machine: Machine, probe: Probe, kind: object) -> None:
    """End a probe in which a call of ``kind`` was rejected."""
    machine.rejected_inside(probe, kind)
    machine.settle(probe, NOT_COUNTED, NOW)


def test_the_place_of_a_route_moves_at_once_and_to_one_call_only(machine: Machine) -> None:
    route = probe_of(machine, ROUTE)
    call = probe_of(machine, INNER)
    assert route.settled
    assert ask(machine, INNER) is None
    assert machine.probes == [call]


def test_a_route_takes_nobodys_place(machine: Machine) -> None:
    probe_of(machine, ROUTE)
    assert ask(machine, ROUTE) is None


def test_what_was_a_routes_permit_counts_for_nothing(machine: Machine) -> None:
    route = probe_of(machine, ROUTE)
    probe_of(machine, INNER)
    assert machine.settle(route, FAILURE, NOW) is None
    assert machine.settle(route, SUCCESS, NOW) is None
    assert machine.successes == 0


def test_the_place_of_a_call_does_not_move_before_there_is_a_reason(machine: Machine) -> None:
    outer = probe_of(machine, OUTER)
    assert ask(machine, INNER) is None
    assert not outer.settled


def test_it_moves_to_calls_of_the_kind_that_was_rejected(machine: Machine) -> None:
    end_rejected(machine, probe_of(machine, OUTER), INNER)
    outer = probe_of(machine, OUTER)
    assert ask(machine, OUTER) is None  # others are short of a place as they ever were
    assert ask(machine, "another") is None
    assert not outer.settled
    probe_of(machine, INNER)
    assert outer.settled


@pytest.mark.parametrize(
    ("drawn", "chance"), [(0.0, 0.5), (0.3, 0.25), (0.6, 0.125), (0.99, 1 / 16)]
)
def test_among_calls_of_one_kind_chance_decides(
    machine: Machine, draws: Draws, drawn: float, chance: float
) -> None:
    """What the chance is, is drawn once for each holder."""
    end_rejected(machine, probe_of(machine, INNER), INNER)
    outer = probe_of(machine, INNER)
    draws.left += [drawn, chance + 0.01, chance + 0.01, chance - 0.01]
    assert ask(machine, INNER) is None
    assert ask(machine, INNER) is None
    assert not outer.settled
    probe_of(machine, INNER)
    assert outer.settled
    assert draws.left == []


def test_an_end_that_is_late_teaches_nothing(machine: Machine) -> None:
    late = probe_of(machine, OUTER)
    machine.settle(late, FAILURE, NOW)
    machine.rejected_inside(late, INNER)
    assert machine.standoff is None


def test_each_recovery_learns_anew(machine: Machine) -> None:
    end_rejected(machine, probe_of(machine, OUTER), INNER)
    machine.settle(probe_of(machine, OUTER), FAILURE, NOW)
    assert machine.state is OPEN
    assert machine.standoff is None


def test_after_three_rejections_of_routes_in_a_row_they_pass(machine: Machine) -> None:
    for _ in range(3):
        outer = probe_of(machine, OUTER)
        assert ask(machine, ROUTE) is None
        end_rejected(machine, outer, ROUTE)
    probe_of(machine, OUTER)
    assert ask(machine, ROUTE) == UNCOUNTED


def test_a_success_between_them_begins_the_row_anew(machine: Machine) -> None:
    for _ in range(2):
        end_rejected(machine, probe_of(machine, OUTER), ROUTE)
    machine.settle(probe_of(machine, OUTER), SUCCESS, NOW)
    end_rejected(machine, probe_of(machine, OUTER), ROUTE)
    probe_of(machine, OUTER)
    assert ask(machine, ROUTE) is None


@pytest.mark.parametrize(("draw", "passes"), [(0.49, True), (0.51, False)])
def test_then_a_free_place_is_taken_by_chance(
    machine: Machine, draws: Draws, draw: float, passes: bool
) -> None:
    """Else nothing would count any more where one route lies inside of another."""
    for _ in range(3):
        end_rejected(machine, probe_of(machine, ROUTE), ROUTE)
    draws.left.append(draw)
    assert (ask(machine, ROUTE) == UNCOUNTED) is passes


def test_no_place_is_taken_where_the_calls_inside_run_in_another_process(machine: Machine) -> None:
    """Its own calls would have taken the place over."""
    for _ in range(3):
        end_rejected(machine, probe_of(machine, ROUTE), INNER)
    assert ask(machine, ROUTE) == UNCOUNTED
    assert machine.probes == []
