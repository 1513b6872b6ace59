"""One set of probes for the whole fleet: who has its lease may probe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.lease import OVERDUE_AFTER
from fastapi_hybrid_breaker.core.override import Override, OverrideKind
from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.core.probes import RETRY_WHILE_PROBING
from fastapi_hybrid_breaker.core.states import Cause

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

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.probe import Probe

    from .machines import Machine

LATE = OPEN_TIME + OVERDUE_AFTER


def leased(now: float = OPEN_TIME, *, places: int = 2, **settings: Any) -> Machine:
    """Give a member that is still OPEN and has had its lease granted at ``now``."""
    machine = opened(**settings)
    machine.grant(machine.opening, lease(now, places=places), 0)
    return machine


def probing(now: float = OPEN_TIME, *, places: int = 2, **settings: Any) -> tuple[Machine, Probe]:
    machine = leased(now, places=places, **settings)
    return machine, probe(machine, now)


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


# -- few calls ----------------------------------------------------------------------------------


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
