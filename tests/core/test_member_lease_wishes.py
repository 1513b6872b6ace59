"""How a lease is asked for and granted, and what successes elsewhere count for."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER

from .leases import probing
from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    is_rejected,
    news,
    probe,
    run,
)
from .members import fleet, lease, member, opened

LATE = OPEN_TIME + OVERDUE_AFTER


# -- the question and the answer ----------------------------------------------------------------


def test_a_wish_says_what_runs_here_and_for_how_long_at_most() -> None:
    machine = member(half_open_max_calls=3, success_threshold=4, half_open_timeout=10.0)
    machine.adopt(news(7, OPEN, remaining=1.0, writer="a"), 0.0)
    machine.grant(machine.opening, lease(1.0, places=3), 0)
    first = probe(machine, 1.0)
    probe(machine, 2.0)
    probe(machine, 2.5)
    machine.settle(first, SUCCESS, 3.0)
    wish = machine.wish(4.0)
    assert wish is not None
    assert (wish.version, wish.writer, wish.opening) == (7, "a", machine.opening)
    assert (wish.places, wish.running, wish.successes) == (3, 2, 1)
    assert wish.busy_for == 8.5


def test_a_wish_leaves_out_probes_past_their_deadline() -> None:
    machine, _ = probing(half_open_timeout=5.0)
    wish = machine.wish(OPEN_TIME + 5.0)
    assert wish is not None
    assert (wish.running, wish.busy_for) == (0, 0.0)


def test_the_places_that_are_asked_for_are_the_configurations() -> None:
    wish = opened(success_threshold=7).wish(OPEN_TIME)
    assert wish is not None
    assert wish.places == 7


def test_a_closed_circuit_wishes_for_nothing() -> None:
    assert member().wish(0.0) is None


def test_a_wish_that_has_become_needless_is_forgotten() -> None:
    around = fleet()
    machine = opened(around)
    is_rejected(machine, OPEN_TIME)
    around.is_connected = False
    assert machine.wish(OPEN_TIME) is None
    assert not machine.wants_lease


def test_a_grant_for_another_opening_is_refused() -> None:
    machine = opened()
    earlier = machine.opening
    machine.adopt(news(5, CLOSED), 1.0)
    machine.grant(earlier, lease(1.0), 1)
    assert machine.lease is None
    machine.adopt(news(6, OPEN, remaining=1.0), 1.0)
    machine.grant(earlier, lease(1.0), 1)
    assert machine.lease is None
    assert is_rejected(machine, 2.0)


def test_a_grant_that_was_asked_for_while_open_is_good_while_half_open() -> None:
    machine = opened(half_open_max_calls=2)
    wish = machine.wish(LATE)
    assert wish is not None
    probe(machine, LATE)
    machine.grant(wish.opening, lease(LATE), 0)
    probe(machine, LATE)


def test_the_trouble_is_the_same_while_it_is_open_and_probed_and_another_after_that() -> None:
    machine = opened(success_threshold=1, failure_threshold=1)
    first = machine.opening
    machine.grant(first, lease(OPEN_TIME), 0)
    one = probe(machine, OPEN_TIME)
    assert (machine.state, machine.opening) == (HALF_OPEN, first)
    machine.settle(one, FAILURE, OPEN_TIME)
    second = machine.opening
    assert second != first
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    assert machine.opening == second
    machine.adopt(news(6, CLOSED), OPEN_TIME)
    machine.adopt(news(7, HALF_OPEN), OPEN_TIME)  # the opening before it was missed
    assert machine.opening not in {first, second}
    assert machine.opening == machine.generation


def test_a_closed_circuit_takes_no_grant_whatever_it_is_about() -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, OPEN, remaining=1.0), 0.0)
    machine.adopt(news(6, CLOSED), 0.0)
    machine.grant(machine.opening, lease(0.0), 2)
    assert machine.lease is None
    assert machine.successes == 0


# -- successes carry over -----------------------------------------------------------------------


def test_successes_elsewhere_count_towards_closing_here() -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.grant(machine.opening, lease(0.0), 2)
    assert machine.successes == 2
    run(machine, SUCCESS, 0.0)
    assert machine.state is CLOSED


@pytest.mark.parametrize("successes", [3, 4, 99])
def test_successes_elsewhere_never_close_it_by_themselves(successes: int) -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.grant(machine.opening, lease(0.0), successes)
    machine.see_lease(machine.opening, 1.0, successes)
    assert (machine.state, machine.successes) == (HALF_OPEN, 2)


def test_who_closes_at_the_first_success_takes_none_over() -> None:
    machine = member(success_threshold=1)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.see_lease(machine.opening, 1.0, 5)
    assert machine.successes == 0


def test_fewer_successes_elsewhere_do_not_take_ours() -> None:
    machine, first = probing(success_threshold=4)
    machine.settle(first, SUCCESS, OPEN_TIME)
    run(machine, SUCCESS, OPEN_TIME)
    machine.see_lease(machine.opening, OPEN_TIME, 1)
    assert machine.successes == 2


@pytest.mark.parametrize("state", [OPEN, CLOSED])
def test_successes_of_probes_count_only_while_half_open(state: Any) -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, state, remaining=1.0), 0.0)
    machine.see_lease(machine.opening, 1.0, 2)
    machine.grant(machine.opening, lease(0.0), 2)
    assert machine.successes == 0
