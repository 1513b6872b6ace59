"""A call that comes long after the recovery timeout is a probe without the lease."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.probes import RETRY_WHILE_PROBING

from .leases import leased, probing
from .machines import (
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    is_rejected,
    news,
    probe,
)
from .members import lease, member, opened

LATE = OPEN_TIME + OVERDUE_AFTER


# -- overdue ------------------------------------------------------------------------------------


def test_a_call_that_comes_long_after_the_open_time_is_a_probe_at_once() -> None:
    machine = opened()
    first = probe(machine, LATE)
    assert first.is_running()
    assert machine.state is HALF_OPEN
    assert machine.touched  # it is reported, and the lease asked for beside it
    wish = machine.wish(LATE)
    assert wish is not None
    assert wish.running == 1


def test_not_a_moment_before_that() -> None:
    machine = opened()
    assert is_rejected(machine, LATE - 0.01)


def test_only_one_such_call_is_admitted_without_the_lease() -> None:
    machine = opened(half_open_max_calls=5)
    first = probe(machine, LATE)
    assert is_rejected(machine, LATE)
    machine.settle(first, NOT_COUNTED, LATE + 0.1)
    assert is_rejected(machine, LATE + OVERDUE_AFTER - 0.01)  # the lease decides meanwhile
    probe(machine, LATE + OVERDUE_AFTER)


def test_the_fleet_is_told_at_once_of_every_probe_that_begins_or_ends() -> None:
    machine = leased(half_open_max_calls=2)
    machine.touched = False
    first = probe(machine, OPEN_TIME)
    assert machine.touched
    machine.touched = False
    probe(machine, OPEN_TIME)
    assert machine.touched
    machine.touched = False
    machine.settle(first, NOT_COUNTED, OPEN_TIME + 0.1)
    assert machine.touched  # a place is free again


def test_a_success_gives_its_place_back_at_once() -> None:
    machine, first = probing(success_threshold=3)
    machine.touched = False
    machine.settle(first, SUCCESS, OPEN_TIME + 0.1)
    assert machine.touched
    wish = machine.wish(OPEN_TIME + 0.1)
    assert wish is not None
    assert (wish.running, wish.successes, wish.own) == (0, 1, 1)


def test_probes_elsewhere_take_places_of_a_lease() -> None:
    machine = leased(places=3, half_open_max_calls=3)
    machine.hear_probing(OPEN_TIME, 2, 2.0, 0)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) == RETRY_WHILE_PROBING
    machine.hear_probing(OPEN_TIME, 1, 2.0, 0)
    assert machine.retry_after(OPEN_TIME) == 0.0
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)


def test_a_lease_is_used_at_once_whoever_began_to_probe_before_it_was_granted() -> None:
    machine = member(half_open_max_calls=1)
    machine.adopt(news(5, HALF_OPEN), 0.0)  # by one that has crashed since
    machine.grant(machine.opening, lease(0.1), 0)
    probe(machine, 0.1)


def test_a_lease_not_in_use_is_asked_for_again_where_some_probe_and_do_not_say_how_many() -> None:
    machine = leased(half_open_max_calls=2)
    machine.suspect_probing(OPEN_TIME, 3.0)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.wants_lease
    machine.grant(machine.opening, lease(OPEN_TIME), 0)
    probe(machine, OPEN_TIME)
    machine.suspect_probing(OPEN_TIME, 3.0)
    probe(machine, OPEN_TIME)  # one in use is kept


def test_a_lease_has_no_more_places_than_were_granted_whatever_is_heard() -> None:
    machine = leased(places=1, half_open_max_calls=3)
    machine.hear_probing(OPEN_TIME, 0, 0.0, 0)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)


def test_such_a_probe_is_a_sign_and_the_next_comes_as_much_later() -> None:
    machine = opened(half_open_max_calls=5, half_open_timeout=1.0)
    probe(machine, LATE)
    again = LATE + OVERDUE_AFTER
    assert is_rejected(machine, again - 0.01)
    probe(machine, again)


def test_an_overdue_call_takes_no_place_beside_a_probe_that_still_runs() -> None:
    machine, _ = probing(half_open_max_calls=5, half_open_timeout=100.0)
    assert is_rejected(machine, OPEN_TIME + 50.0)


def test_a_lease_of_somebody_else_keeps_it_back_as_long_as_it_lasts() -> None:
    machine = opened()
    until = OPEN_TIME + OVERDUE_AFTER + 1.0
    machine.see_lease(machine.opening, until, 0)
    machine.see_lease(machine.opening, until - 0.5, 0)  # older news
    assert is_rejected(machine, until - 0.01)
    probe(machine, until)


def test_a_lease_that_nobody_has_used_does_not_put_it_off() -> None:
    """Or a circuit with a call every few seconds would get one after the other, and never probe."""
    machine = opened()
    for asked in (OPEN_TIME, OPEN_TIME + 3.0):
        assert is_rejected(machine, asked)
        machine.grant(machine.opening, lease(asked), 0)
    probe(machine, OPEN_TIME + OVERDUE_AFTER + 1.0)


def test_a_probe_of_its_own_under_a_lease_puts_it_off() -> None:
    machine, first = probing(OPEN_TIME + 3.0)
    machine.settle(first, NOT_COUNTED, OPEN_TIME + 3.0)
    assert is_rejected(machine, OPEN_TIME + 3.0 + OVERDUE_AFTER - 0.01)
    probe(machine, OPEN_TIME + 3.0 + OVERDUE_AFTER)


def test_a_lease_of_somebody_else_is_no_sign_of_a_probe() -> None:
    machine = opened()
    machine.see_lease(machine.opening, OPEN_TIME + 3.0, 0)
    assert is_rejected(machine, LATE - 0.01)
    probe(machine, LATE)


def test_a_sign_of_a_probe_is_no_lease_of_somebody_else() -> None:
    machine = opened(half_open_max_calls=2)
    machine.see_probing(OPEN_TIME)
    machine.grant(machine.opening, lease(OPEN_TIME), 0)
    probe(machine, OPEN_TIME)


def test_a_lease_of_somebody_else_is_remembered_when_probing_begins() -> None:
    machine = opened()
    until = OPEN_TIME + 9.0
    machine.see_lease(machine.opening, until, 0)
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME)
    assert is_rejected(machine, until - 0.01)
    probe(machine, until)


def test_a_probe_of_somebody_else_puts_it_off() -> None:
    machine = opened()
    machine.see_probing(OPEN_TIME + 3.0)
    machine.see_probing(OPEN_TIME + 1.0)  # older news
    assert is_rejected(machine, OPEN_TIME + 3.0 + OVERDUE_AFTER - 0.01)
    probe(machine, OPEN_TIME + 3.0 + OVERDUE_AFTER)


@pytest.mark.parametrize("twice", [True, False])
def test_the_first_probe_of_another_instance_is_a_sign(twice: bool) -> None:
    machine = opened()
    machine.adopt(news(5, HALF_OPEN), OPEN_TIME + 2.0)
    if twice:
        machine.adopt(news(6, HALF_OPEN), OPEN_TIME + 3.0)
    since = OPEN_TIME + (3.0 if twice else 2.0)
    assert is_rejected(machine, since + OVERDUE_AFTER - 0.01)
    probe(machine, since + OVERDUE_AFTER)


def test_signs_of_an_earlier_opening_do_not_put_the_next_one_off() -> None:
    machine = member()
    machine.adopt(news(5, OPEN, remaining=1.0), 0.0)
    machine.see_lease(machine.opening, 50.0, 0)
    machine.see_probing(50.0)
    machine.adopt(news(6, OPEN, remaining=1.0), 2.0)
    probe(machine, 3.0 + OVERDUE_AFTER)


def test_the_lease_that_is_granted_then_counts_the_probe_that_did_not_wait() -> None:
    machine = opened(half_open_max_calls=2)
    probe(machine, LATE)
    wish = machine.wish(LATE)
    assert wish is not None
    assert wish.running == 1
    machine.grant(wish.opening, lease(LATE, places=2), 0)
    probe(machine, LATE)
    assert is_rejected(machine, LATE)
