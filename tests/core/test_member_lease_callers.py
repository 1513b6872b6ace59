"""What callers are told while the fleet probes: when to come back."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.override import Override, OverrideKind
from fastapi_hybrid_breaker.core.probes import RETRY_WHILE_PROBING

from .leases import probing
from .machines import (
    FAILURE,
    HALF_OPEN,
    NOT_COUNTED,
    OPEN,
    OPEN_TIME,
    is_rejected,
    news,
    probe,
    run,
)
from .members import fleet, lease, member, opened

LATE = OPEN_TIME + OVERDUE_AFTER


# -- what callers are told ------------------------------------------------------------------------


def test_while_half_open_without_the_lease_callers_are_told_to_wait() -> None:
    machine = member()
    machine.adopt(news(5, HALF_OPEN), 0.0)
    assert machine.retry_after(0.0) == RETRY_WHILE_PROBING
    assert machine.retry_after(0.0) >= 1.0


def test_with_the_lease_they_are_told_to_come() -> None:
    machine, first = probing(places=2, half_open_max_calls=2)
    assert machine.retry_after(OPEN_TIME) == 0.0
    probe(machine, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) == RETRY_WHILE_PROBING
    machine.settle(first, NOT_COUNTED, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) == 0.0
    assert machine.retry_after(OPEN_TIME + 1.8) == RETRY_WHILE_PROBING  # it has ended


def test_who_is_bound_by_nobody_tells_callers_to_come() -> None:
    machine = member(fleet(live=1))
    machine.adopt(news(5, HALF_OPEN), 0.0)
    assert machine.retry_after(0.0) == 0.0


def test_looking_asks_for_nothing() -> None:
    machine = opened()
    machine.touched = False
    assert machine.retry_after(LATE) == 0.0
    assert machine.state is OPEN
    assert not machine.wants_lease
    assert not machine.touched


def test_half_open_for_too_long_it_opens_again_whoever_has_the_lease() -> None:
    machine = member(half_open_max_duration=30.0)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    machine.see_probing(29.0)
    assert is_rejected(machine, 30.0)
    assert machine.state is OPEN
    assert machine.propose(30.0) is not None


def test_retry_after_is_no_invitation_while_the_leases_places_are_taken() -> None:
    machine = opened(half_open_max_calls=2)
    machine.grant(machine.opening, lease(OPEN_TIME, places=1), 0)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME) >= 1.0


def test_retry_after_invites_when_a_probe_under_the_lease_is_past_its_deadline() -> None:
    machine = opened(half_open_max_calls=2, half_open_timeout=1.0)
    machine.grant(machine.opening, lease(OPEN_TIME, places=1), 0)
    probe(machine, OPEN_TIME)
    assert machine.retry_after(OPEN_TIME + 0.9) == RETRY_WHILE_PROBING
    assert machine.retry_after(OPEN_TIME + 1.0) == 0.0
    probe(machine, OPEN_TIME + 1.0)


def test_a_late_grant_of_an_earlier_recovery_is_refused_in_the_next() -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    wish = machine.wish(0.0)
    assert wish is not None
    machine.adopt(news(6, OPEN, remaining=0.25), 0.25)
    machine.adopt(news(7, HALF_OPEN), 0.5)
    machine.grant(wish.opening, lease(0.0), 2)
    assert machine.successes == 0
    assert is_rejected(machine, 0.75)


def test_every_probe_here_puts_off_the_one_that_does_not_wait_for_a_lease() -> None:
    machine = opened(success_threshold=5)
    for now in (OPEN_TIME, OPEN_TIME + 4.0):
        machine.grant(machine.opening, lease(now), 0)
        machine.settle(probe(machine, now), NOT_COUNTED, now)
    # That lease has ended, and somebody else may have the next without our having heard of it.
    assert is_rejected(machine, OPEN_TIME + 4.0 + OVERDUE_AFTER - 0.01)
    probe(machine, OPEN_TIME + 4.0 + OVERDUE_AFTER)


def test_a_late_refusal_of_an_earlier_recovery_brings_no_successes_into_the_next() -> None:
    machine = member(success_threshold=3)
    machine.adopt(news(5, HALF_OPEN), 0.0)
    wish = machine.wish(0.0)
    assert wish is not None
    machine.adopt(news(6, OPEN, remaining=0.25), 0.25)
    machine.adopt(news(7, HALF_OPEN), 0.5)
    machine.see_lease(wish.opening, 2.0, 2)
    assert machine.successes == 0
    assert machine.taken_until < 2.0


@pytest.mark.parametrize("kind", [kind for kind in OverrideKind if kind.state is not None])
def test_under_an_override_nothing_is_asked_for_and_after_it_as_before(kind: OverrideKind) -> None:
    machine = opened()
    assert is_rejected(machine, OPEN_TIME)
    machine.put(Override(kind, "ann", "a migration", OPEN_TIME + 60.0), "ann", OPEN_TIME)
    assert machine.wish(OPEN_TIME + 1.0) is None
    assert not machine.wants_lease
    machine.lift(OPEN_TIME + 61.0)
    # All instances are at this point, and none of them could probe: it takes the lease.
    assert is_rejected(machine, OPEN_TIME + 61.0)
    assert machine.wants_lease
    assert is_rejected(machine, OPEN_TIME + 60.0 + OVERDUE_AFTER - 0.01)
    probe(machine, OPEN_TIME + 60.0 + OVERDUE_AFTER)  # overdue since the override's own end
    wish = machine.wish(OPEN_TIME + 60.0 + OVERDUE_AFTER)
    assert wish is not None
    assert wish.running == 1


def test_after_an_override_is_cleared_a_probe_takes_the_lease_as_well() -> None:
    machine = opened()
    machine.put(Override(OverrideKind.DISABLED, "ann", "a migration", None), "ann", OPEN_TIME)
    machine.put(None, "ann", OPEN_TIME + 60.0)
    assert is_rejected(machine, OPEN_TIME + 60.0 + OVERDUE_AFTER - 0.01)
    probe(machine, OPEN_TIME + 60.0 + OVERDUE_AFTER)


def test_an_opening_that_the_fleet_has_not_taken_keeps_nobody_from_probing() -> None:
    machine = member()
    machine.adopt(news(1, OPEN, remaining=1.0), 0.0)
    now = 1.0 + OVERDUE_AFTER
    run(machine, FAILURE, now)  # a probe that waited for no lease
    assert machine.state is OPEN
    machine.adopt(news(2, HALF_OPEN), now + 0.1, refused=True)
    assert machine.state is HALF_OPEN
    assert is_rejected(machine, now + OVERDUE_AFTER)
    assert not is_rejected(machine, now + 0.1 + OVERDUE_AFTER)
