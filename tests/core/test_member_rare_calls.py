"""Where calls are rare the next one is a probe, lease or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.probes import RETRY_WHILE_PROBING

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    is_rejected,
    news,
    probe,
)
from .members import fleet, opened

if TYPE_CHECKING:
    from .machines import Machine


def rare(
    calls: float = 1.0, *, round_trip: float = 0.005, live: int = 3, **settings: Any
) -> Machine:
    """Make a member that is OPEN and expects so many calls a second."""
    around = fleet(live=live)
    around.round_trip = round_trip
    machine = opened(around, **settings)
    machine.expect_calls(calls)
    return machine


def test_where_calls_are_rare_the_first_after_the_open_time_is_a_probe() -> None:
    machine = rare()
    assert is_rejected(machine, OPEN_TIME - 0.01)
    machine.touched = False
    first = probe(machine, OPEN_TIME)
    assert machine.state is HALF_OPEN
    assert machine.touched  # it is reported beside it
    wish = machine.wish(OPEN_TIME)
    assert wish is not None
    assert wish.running == 1
    machine.settle(first, SUCCESS, OPEN_TIME)


@pytest.mark.parametrize(
    ("calls", "live", "round_trip", "is_rare"),
    [
        pytest.param(5 / 3, 3, 0.005, True, id="five a second among three"),
        pytest.param(50.0, 2, 0.005, True, id="just rare"),
        pytest.param(50.1, 2, 0.005, False, id="just not"),
        pytest.param(5.0, 200, 0.001, False, id="a large fleet"),
        pytest.param(5.0, 20, 0.001, True, id="a small one"),
        pytest.param(1.0, 5, 0.2, False, id="a server far away"),
        pytest.param(0.0, 1_000, 1.0, True, id="no calls at all"),
    ],
)
def test_calls_are_rare_where_few_of_the_fleet_come_within_a_round_trip(
    calls: float, live: int, round_trip: float, is_rare: bool
) -> None:
    machine = rare(calls, live=live, round_trip=round_trip)
    assert is_rejected(machine, OPEN_TIME) is not is_rare
    assert machine.wants_lease is not is_rare


def test_before_calls_were_counted_the_lease_decides() -> None:
    machine = opened()
    assert machine.calls_per_second is None
    assert is_rejected(machine, OPEN_TIME)


def test_beside_a_probe_of_its_own_the_lease_decides() -> None:
    machine = rare(half_open_max_calls=3)
    first = probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.wants_lease
    machine.settle(first, NOT_COUNTED, OPEN_TIME)
    probe(machine, OPEN_TIME)


def test_no_probe_begins_where_others_are_known_to_take_all_places() -> None:
    machine = rare(half_open_max_calls=2)
    machine.hear_probing(OPEN_TIME, 2, 3.0, 0)
    assert is_rejected(machine, OPEN_TIME)
    machine.hear_probing(OPEN_TIME, 1, 3.0, 0)
    probe(machine, OPEN_TIME)


def test_when_the_probes_of_others_have_ended_the_next_call_is_one() -> None:
    machine = rare(half_open_max_calls=1)
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME + 0.1)
    machine.hear_probing(OPEN_TIME + 0.1, 0, 0.0, 1)
    assert machine.successes == 1  # and it counts towards closing
    probe(machine, OPEN_TIME + 0.1)


def test_a_probe_of_which_nothing_more_is_heard_keeps_others_back_for_seconds_only() -> None:
    machine = rare(half_open_max_calls=1)
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME + OVERDUE_AFTER - 0.01)
    machine.hear_probing(OPEN_TIME + 1.0, 1, 3.0, 0)
    assert is_rejected(machine, OPEN_TIME + 3.99)
    probe(machine, OPEN_TIME + 4.0)


def test_where_some_probe_and_do_not_say_how_many_no_call_is_a_probe_without_a_lease() -> None:
    machine = rare()
    machine.suspect_probing(OPEN_TIME, 3.0)
    assert is_rejected(machine, OPEN_TIME + 2.99)
    probe(machine, OPEN_TIME + 3.0)


def test_callers_are_told_to_come_where_the_next_is_a_probe() -> None:
    machine = rare(half_open_max_calls=1)
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) == RETRY_WHILE_PROBING
    machine.hear_probing(OPEN_TIME, 0, 0.0, 0)
    assert machine.retry_after(OPEN_TIME) == 0.0
    probe(machine, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) == RETRY_WHILE_PROBING


def test_two_that_probe_at_once_close_it_by_both_their_successes() -> None:
    a, b = rare(), rare()
    first, second = probe(a, OPEN_TIME), probe(b, OPEN_TIME)
    b.adopt(news(5, HALF_OPEN), OPEN_TIME)  # a was first
    a.settle(first, SUCCESS, OPEN_TIME)
    b.hear_probing(OPEN_TIME, 1, 3.0, 1)
    b.settle(second, SUCCESS, OPEN_TIME)
    assert b.state is CLOSED


def test_what_is_expected_of_calls_is_forgotten_when_the_circuit_closes() -> None:
    machine = rare()
    machine.adopt(news(5, CLOSED), OPEN_TIME)
    machine.adopt(news(6, OPEN, remaining=1.0), OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME + 1.0)


def test_a_probe_that_fails_opens_it_again_and_calls_are_still_rare() -> None:
    machine = rare(recovery_timeout=OPEN_TIME)
    machine.settle(probe(machine, OPEN_TIME), FAILURE, OPEN_TIME)
    assert is_rejected(machine, 2 * OPEN_TIME - 0.01)
    probe(machine, 2 * OPEN_TIME)
