"""Openings that bind only the instance that decided them: by a quorum, or by their scope."""

from __future__ import annotations

from typing import Any

import pytest

from fastapi_hybrid_breaker.core.states import Cause

from .machines import (
    CLOSED,
    FAILURE,
    HALF_OPEN,
    OPEN,
    OPEN_TIME,
    SUCCESS,
    change,
    is_rejected,
    make,
    news,
    probe,
    run,
    trip,
)
from .members import member, opened
from .votes import voted

PROBE_TIME = 5.0

ALONE: list[dict[str, Any]] = [{"quorum": 2}, {"quorum": 0.5}, {"scope": "instance"}]

for_all_that_are_alone = pytest.mark.parametrize("settings", ALONE, ids=["count", "share", "scope"])


# -- open for itself ----------------------------------------------------------------------------


@for_all_that_are_alone
def test_an_opening_that_binds_nobody_else_is_not_proposed(settings: dict[str, Any]) -> None:
    machine = opened(**settings)
    assert machine.alone
    assert machine.touched
    assert machine.propose(0.0) is None
    assert is_rejected(machine, OPEN_TIME - 0.1)


def test_with_the_default_quorum_an_opening_is_for_all() -> None:
    machine = opened()
    assert not machine.alone
    assert machine.vote() is None
    assert machine.propose(0.0) is not None


@for_all_that_are_alone
def test_it_probes_by_itself_and_asks_for_no_lease(settings: dict[str, Any]) -> None:
    machine = opened(half_open_max_calls=2, success_threshold=3, **settings)
    assert not machine.is_bound()
    probe(machine, OPEN_TIME)
    probe(machine, OPEN_TIME)
    assert is_rejected(machine, OPEN_TIME)
    assert (machine.state, machine.alone) == (HALF_OPEN, True)
    assert not machine.wants_lease
    assert machine.wish(OPEN_TIME) is None
    assert machine.propose(OPEN_TIME) is None


@for_all_that_are_alone
def test_closed_again_it_stands_with_the_fleet_and_has_nothing_to_propose(
    settings: dict[str, Any],
) -> None:
    machine = opened(success_threshold=1, **settings)
    assert run(machine, SUCCESS, OPEN_TIME) == change(HALF_OPEN, CLOSED, Cause.PROBES_SUCCEEDED, 3)
    assert not machine.alone
    assert machine.propose(OPEN_TIME) is None


@for_all_that_are_alone
def test_a_probe_that_fails_leaves_it_open_for_itself(settings: dict[str, Any]) -> None:
    machine = opened(**settings)
    run(machine, FAILURE, OPEN_TIME)
    assert (machine.state, machine.alone) == (OPEN, True)
    assert machine.propose(OPEN_TIME) is None
    assert machine.retry_after(OPEN_TIME) == OPEN_TIME


def test_a_probe_of_the_whole_fleet_that_fails_opens_for_all_whatever_the_quorum() -> None:
    machine = member(quorum=2)
    machine.adopt(news(5, OPEN, remaining=1.0), 0.0)
    machine.peers.live = 1
    run(machine, FAILURE, 1.0)
    assert not machine.alone
    proposal = machine.propose(1.0)
    assert proposal is not None
    assert proposal.state is OPEN


def test_in_shadow_mode_nothing_is_alone_and_nothing_is_voted() -> None:
    machine = opened(mode="shadow", quorum=2)
    assert not machine.alone
    assert machine.vote() is None
    assert machine.propose(0.0) is None


def test_a_circuit_of_no_fleet_opens_and_recovers_with_a_quorum_as_without() -> None:
    machine = make(quorum=3, success_threshold=1)
    trip(machine)
    assert is_rejected(machine, 1.0)
    run(machine, SUCCESS, OPEN_TIME)
    assert machine.state is CLOSED


# -- votes --------------------------------------------------------------------------------------


def test_who_never_was_alone_has_nothing_to_say() -> None:
    machine = member(quorum=2)
    assert machine.vote() is None
    assert not machine.has_voted


@for_all_that_are_alone
def test_a_vote_stands_as_often_as_it_is_asked_for_while_it_is_open_here_alone(
    settings: dict[str, Any],
) -> None:
    machine = opened(half_open_timeout=PROBE_TIME, **settings)
    assert machine.vote() is True
    assert machine.has_voted
    assert machine.vote() is True  # no call has come to probe
    assert machine.has_voted
    probe(machine, OPEN_TIME + 99.0)
    assert machine.vote() is True
    machine.withdrew()  # an answer to something earlier
    assert machine.vote() is True


@for_all_that_are_alone
def test_a_vote_is_withdrawn_when_it_closes_until_that_is_answered(
    settings: dict[str, Any],
) -> None:
    machine = voted(opened(success_threshold=1, **settings))
    run(machine, SUCCESS, OPEN_TIME)
    assert machine.touched
    assert machine.vote() is False
    assert machine.vote() is False  # the answer got lost
    machine.withdrew()
    assert not machine.has_voted
    assert machine.vote() is None


def test_a_withdrawal_that_is_answered_late_does_not_take_back_a_new_vote() -> None:
    machine = voted(opened(quorum=2, success_threshold=1))
    run(machine, SUCCESS, OPEN_TIME)
    assert machine.vote() is False
    trip(machine, OPEN_TIME)
    assert machine.vote() is True
    machine.withdrew()
    assert machine.has_voted
    run(machine, SUCCESS, 2 * OPEN_TIME)
    assert machine.vote() is False  # the new one is to be withdrawn, too


def test_what_was_never_voted_is_not_withdrawn() -> None:
    machine = opened(quorum=2, success_threshold=1)
    run(machine, SUCCESS, OPEN_TIME)
    assert machine.vote() is None


def test_a_vote_stands_through_a_probe_that_fails() -> None:
    machine = voted(opened(quorum=2, half_open_timeout=PROBE_TIME))
    run(machine, FAILURE, OPEN_TIME)
    assert machine.touched
    assert machine.vote() is True


def test_a_vote_is_of_no_use_any_more_when_it_is_open_for_all() -> None:
    machine = voted(opened(quorum=2))
    machine.join(machine.generation)
    assert machine.vote() is False
    assert machine.state is OPEN
    machine.withdrew()
    assert not machine.has_voted
    assert machine.vote() is None


# -- joining ------------------------------------------------------------------------------------


def test_enough_votes_make_an_opening_bind_all_with_the_time_that_is_left() -> None:
    machine = opened(quorum=2)
    generation = machine.generation
    machine.join(generation)
    assert not machine.alone
    proposal = machine.propose(20.0)
    assert proposal is not None
    assert (proposal.state, proposal.remaining) == (OPEN, OPEN_TIME - 20.0)
    assert machine.generation == generation
    assert machine.is_bound()


def test_joins_only_in_the_generation_that_voted() -> None:
    machine = opened(quorum=2)
    first = machine.generation
    run(machine, FAILURE, OPEN_TIME)
    machine.join(first)
    assert machine.alone
    assert machine.propose(OPEN_TIME) is None


def test_does_not_join_while_it_probes_for_itself() -> None:
    machine = opened(quorum=2)
    probe(machine, OPEN_TIME)
    machine.join(machine.generation)
    assert machine.alone
    assert machine.propose(OPEN_TIME) is None


def test_joining_proposes_nothing_where_it_is_not_alone() -> None:
    machine = member(quorum=2)
    machine.join(machine.generation)
    machine.adopt(news(5, OPEN, remaining=OPEN_TIME), 0.0)
    machine.join(machine.generation)
    assert machine.propose(0.0) is None


# -- what ends being alone ------------------------------------------------------------------------


@pytest.mark.parametrize("state", [OPEN, HALF_OPEN, CLOSED])
def test_news_of_the_fleet_ends_being_alone(state: Any) -> None:
    machine = voted(opened(quorum=2))
    machine.adopt(news(5, state, remaining=7.0), 0.0)
    assert (machine.state, machine.alone) == (state, False)
    assert machine.touched
    assert machine.vote() is False


def test_news_that_is_not_newer_leaves_it_alone() -> None:
    machine = member(quorum=2)
    machine.adopt(news(5, CLOSED), 0.0)
    trip(machine)
    machine.adopt(news(5, CLOSED), 0.0)
    assert (machine.state, machine.alone) == (OPEN, True)


@for_all_that_are_alone
def test_a_reset_ends_being_alone(settings: dict[str, Any]) -> None:
    machine = voted(opened(**settings))
    assert machine.reset(1.0) == change(OPEN, CLOSED, Cause.RESET, 2)
    assert not machine.alone
    assert machine.touched
    assert machine.vote() is False


def test_being_opened_by_hand_ends_being_alone() -> None:
    machine = voted(opened(quorum=2))
    machine.open_for(5.0, 1.0)
    assert (machine.state, machine.alone) == (OPEN, False)
    assert machine.retry_after(1.0) == 5.0
    assert machine.propose(1.0) is None


def test_who_did_not_vote_is_not_stirred_by_the_end() -> None:
    machine = opened(quorum=2)
    machine.touched = False
    machine.reset(1.0)
    assert not machine.touched
