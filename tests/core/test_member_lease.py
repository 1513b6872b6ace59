"""One set of probes for the whole fleet: who has its lease may probe."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.core.states import Cause

from .leases import leased, probing
from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    change,
    is_rejected,
    news,
    probe,
    run,
    trip,
)
from .members import fleet, lease, member, opened

# -- who needs one ------------------------------------------------------------------------------


def test_one_of_several_connected_instances_needs_a_lease_to_probe() -> None:
    machine = opened()
    assert machine.is_bound()
    assert is_rejected(machine, OPEN_TIME)
    assert machine.state is OPEN
    assert machine.wants_lease
    assert machine.touched


def test_two_are_several() -> None:
    machine = opened(fleet(live=2))
    assert machine.is_bound()
    assert is_rejected(machine, OPEN_TIME)


@pytest.mark.parametrize(
    ("around", "settings"),
    [
        pytest.param(Peers(), {}, id="no fleet"),
        pytest.param(fleet(live=1), {}, id="the only one"),
        pytest.param(fleet(live=0), {}, id="none that is known"),
        pytest.param(fleet(is_connected=False), {}, id="cut off"),
        pytest.param(fleet(), {"mode": "shadow"}, id="shadow"),
        pytest.param(fleet(), {"scope": "instance"}, id="scope"),
        pytest.param(fleet(), {"quorum": 2}, id="quorum"),
    ],
)
def test_whoever_is_bound_by_nobody_probes_at_once(around: Peers, settings: dict[str, Any]) -> None:
    machine = opened(around, half_open_max_calls=2, success_threshold=3, **settings)
    assert not machine.is_bound()
    assert machine.wish(OPEN_TIME) is None
    probe(machine, OPEN_TIME)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.state is HALF_OPEN
    assert not machine.wants_lease
    assert machine.lease is None


def test_a_call_before_the_end_of_the_open_time_asks_for_nothing() -> None:
    machine = opened()
    machine.touched = False
    assert is_rejected(machine, OPEN_TIME - 0.1)
    assert not machine.wants_lease
    assert not machine.touched


def test_it_is_asked_for_once_until_the_question_is_taken() -> None:
    machine = opened()
    is_rejected(machine, OPEN_TIME)
    machine.touched = False
    is_rejected(machine, OPEN_TIME)
    assert not machine.touched
    assert machine.wish(OPEN_TIME) is not None
    is_rejected(machine, OPEN_TIME)
    assert machine.touched
    assert machine.wants_lease


def test_losing_the_connection_while_waiting_for_a_lease_frees_the_probes() -> None:
    around = fleet()
    machine = opened(around)
    assert is_rejected(machine, OPEN_TIME)
    around.is_connected = False
    probe(machine, OPEN_TIME)


def test_who_reconnects_while_probing_needs_a_lease_from_then_on() -> None:
    around = fleet(is_connected=False)
    machine = opened(around, half_open_max_calls=2)
    first = probe(machine, OPEN_TIME)
    around.is_connected = True
    assert is_rejected(machine, OPEN_TIME)
    assert machine.settle(first, FAILURE, OPEN_TIME) is not None  # what runs counts


# -- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [1, 2, 3])
def test_as_many_probes_as_the_lease_has_places(places: int) -> None:
    machine = leased(places=places, half_open_max_calls=9)
    for _ in range(places):
        probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.state is HALF_OPEN


def test_a_probe_that_ends_gives_its_place_back() -> None:
    machine, first = probing(places=1)
    machine.settle(first, NOT_COUNTED, OPEN_TIME)
    probe(machine, OPEN_TIME)


def test_a_lease_without_places_admits_nothing() -> None:
    machine = leased(places=0)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.state is OPEN


def test_a_prolonged_lease_may_have_other_places() -> None:
    machine, _ = probing(places=1, half_open_max_calls=9)
    assert is_rejected(machine, OPEN_TIME)
    machine.grant(machine.opening, lease(OPEN_TIME + 0.6, places=2), 0)
    probe(machine, OPEN_TIME + 0.6)
    assert is_rejected(machine, OPEN_TIME + 0.6)


def test_a_lease_that_was_given_early_does_not_shorten_the_open_time() -> None:
    machine = leased(OPEN_TIME - 0.1)
    assert is_rejected(machine, OPEN_TIME - 0.05)
    probe(machine, OPEN_TIME)


@pytest.mark.parametrize("live", [2, 3])
@pytest.mark.parametrize("outcome", [SUCCESS, NOT_COUNTED])
def test_the_fleet_hears_of_a_place_that_is_taken_and_of_one_that_is_free_again(
    live: int, outcome: Any
) -> None:
    machine = opened(fleet(live=live), success_threshold=3)
    machine.grant(machine.opening, lease(OPEN_TIME), 0)
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    machine.touched = False
    first = probe(machine, OPEN_TIME)
    assert machine.touched
    machine.touched = False
    machine.settle(first, outcome, OPEN_TIME)
    assert machine.touched


# -- how it ends --------------------------------------------------------------------------------


def test_when_the_lease_has_ended_there_are_no_places_and_it_is_asked_for() -> None:
    machine = leased(places=2)
    end = OPEN_TIME + 1.8
    machine.touched = False
    assert is_rejected(machine, end)
    assert machine.state is OPEN
    assert machine.wants_lease


def test_up_to_its_end_a_lease_is_good() -> None:
    machine = leased()
    probe(machine, OPEN_TIME + 1.79)


def test_probes_go_on_when_the_lease_ends_and_count() -> None:
    machine, first = probing(success_threshold=1)
    later = OPEN_TIME + 3.0
    assert is_rejected(machine, later)
    assert first.is_running()
    assert machine.settle(first, SUCCESS, later) == change(
        HALF_OPEN, CLOSED, Cause.PROBES_SUCCEEDED, 3
    )


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_a_lease_is_dropped_when_the_circuit_closes_or_opens(outcome: Any) -> None:
    machine, first = probing(success_threshold=1, failure_threshold=1)
    is_rejected(machine, OPEN_TIME + 1.9)
    machine.settle(first, outcome, OPEN_TIME + 1.9)
    assert machine.state in {CLOSED, OPEN}
    assert machine.lease is None
    assert not machine.wants_lease
    if machine.state is CLOSED:
        trip(machine, OPEN_TIME + 1.9)
    assert is_rejected(machine, machine.deadline)


@pytest.mark.parametrize("state", [CLOSED, OPEN])
def test_a_lease_is_dropped_when_the_fleet_closes_or_opens(state: Any) -> None:
    machine, _ = probing()
    machine.adopt(news(5, state, remaining=1.0), OPEN_TIME)
    assert machine.lease is None


def test_a_lease_taken_while_open_is_kept_when_another_has_begun_to_probe() -> None:
    machine = leased()
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    probe(machine, OPEN_TIME)


def test_after_a_fork_the_child_has_neither_lease_nor_probes() -> None:
    machine, _ = probing(places=1)
    is_rejected(machine, OPEN_TIME)
    machine.after_fork()
    assert machine.lease is None
    assert not machine.wants_lease
    assert not machine.probes
    assert machine.state is HALF_OPEN
    assert is_rejected(machine, OPEN_TIME)


def test_after_a_fork_the_child_has_nothing_to_tell_of_the_parents_calls() -> None:
    machine = member(failure_threshold=9)
    run(machine, FAILURE)
    machine.listen(0.0, 100.0)
    machine.after_fork()
    assert machine.take_report(0.0, collecting=True) is None
    assert not machine.noting
