"""The schedules that versions, operation ids and bases exist for, played on a real server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside

from .player import KEY, Player, play

if TYPE_CHECKING:
    from concurrent.futures import Future

    from .server import Server

pytestmark = pytest.mark.every_server


def test_a_proposal_repeated_after_a_lost_answer_changes_nothing(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    requests = a.take()
    a.deliver(requests)  # done, but the answer is lost
    stored = server.hash(KEY)
    a.exchange.put_back(requests)
    a.send()
    assert server.hash(KEY)["version"] == stored["version"]
    assert a.version == int(stored["version"])
    play(a, b)
    assert b.state == "OPEN"
    assert b.version == a.version


def test_reset_done_but_unanswered_does_not_wipe_the_trip_that_follows(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    a.reset()
    lost = a.take()
    a.deliver(lost)
    b.listen()
    assert b.state == "CLOSED"
    b.fail()
    play(b)
    assert server.hash(KEY)["state"] == "OPEN"
    a.exchange.put_back(lost)
    play(a, b)
    assert server.hash(KEY)["state"] == "OPEN"
    assert a.state == b.state == "OPEN"
    assert a.version == b.version


def test_reset_racing_a_trip_ends_in_agreement_whoever_comes_first(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    b.succeed()
    play(a, b)
    a.fail()
    b.reset()
    trip, reset = a.take(), b.take()
    b.answer(reset, b.deliver(reset))
    a.answer(trip, a.deliver(trip))  # based on what the reset has replaced
    play(a, b)
    assert a.state == b.state == "CLOSED"
    assert a.version == b.version
    a.fail()
    b.reset()
    trip, reset = a.take(), b.take()
    a.answer(trip, a.deliver(trip))
    b.answer(reset, b.deliver(reset))  # unconditional
    play(a, b)
    assert a.state == b.state == "CLOSED"
    assert a.version == b.version


def test_trip_after_an_unsent_reset_is_not_lost(players: tuple[Player, Player]) -> None:
    a, b = players
    a.fail()
    play(a, b)
    a.reset()
    a.fail()
    play(a, b)
    assert a.state == b.state == "OPEN"
    assert a.version == b.version


def reset_then_hear_of_a_trip(a: Player, b: Player) -> Future[None]:
    """Reset ``a``, which receives a trip of ``b`` before it has sent that."""
    b.succeed()
    play(a, b)
    done = a.reset()
    b.fail()
    b.send()
    a.listen()
    assert a.state == "OPEN"
    return done


def test_reset_that_waits_while_anothers_trip_is_heard_closes_here_as_well(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    done = reset_then_hear_of_a_trip(a, b)
    play(a, b)
    assert done.done()
    assert a.state == b.state == "CLOSED"
    assert a.version == b.version


def test_reset_ends_the_probing_of_a_trip_that_was_heard_while_it_waited(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    reset_then_hear_of_a_trip(a, b)
    a.clock.advance(31)
    inside.of(a.circuit).open_until = a.clock()
    ticket = inside.admit(a.circuit)  # HALF_OPEN by itself, on top of the trip
    play(a, b)
    assert a.state == b.state == "CLOSED"
    inside.settle(a.circuit, ticket, Outcome.FAILURE)  # of an attempt that the reset has ended
    play(a, b)
    assert a.state == b.state == "CLOSED"
    assert a.version == b.version


def test_reset_builds_on_a_trip_that_was_under_way_when_it_was_decided(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.fail()
    trip = a.take()
    a.reset()
    a.answer(trip, a.deliver(trip))
    assert a.state == "CLOSED"  # the consent to the trip does not open it again
    reset = a.take()
    answers = a.deliver(reset)
    a.fail()  # after the reset, so it is news on top of that
    a.answer(reset, answers)
    assert a.state == "OPEN"
    play(a, b)
    assert a.state == b.state == "OPEN"
    assert a.version == b.version


def test_trip_after_a_reset_is_kept_when_the_trip_before_it_is_consented_to_in_between(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.fail()
    trip = a.take()
    a.reset()
    a.fail()
    a.answer(trip, a.deliver(trip))
    play(a, b)
    assert a.state == b.state == "OPEN"
    assert a.version == b.version


def test_trip_after_the_second_of_two_resets_is_kept(players: tuple[Player, Player]) -> None:
    a, b = players
    a.reset()
    first = a.take()
    a.reset()
    a.fail()
    a.answer(first, a.deliver(first))
    play(a, b)
    assert a.state == b.state == "OPEN"
    assert a.version == b.version


def test_reset_of_a_circuit_that_is_made_again_before_it_is_sent(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.reset()
    del inside.registry_of(a.breaker).by_key[KEY]  # as for want of room
    a.fail()
    assert inside.of(a.circuit).generation == 1  # as that of the reset
    play(a, b)
    assert a.state == b.state
    assert a.version == b.version


def test_change_of_a_circuit_that_is_made_again_is_no_repetition(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.fail()
    lost = a.take()
    a.deliver(lost)
    a.exchange.put_back(lost)
    a.clock.advance(10.0)
    del inside.registry_of(a.breaker).by_key[KEY]
    a.fail()
    assert inside.of(a.circuit).generation == 1  # as that of the trip before it
    play(a, b)
    # It is held against the trip that stands there, and not taken for that.
    assert a.version == b.version
    assert a.circuit.history()[-1].cause == "failures"
    assert inside.of(a.circuit).followed == 2


def test_newcomer_that_probes_its_old_trip_does_not_undo_a_reset_since(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    b.fail()  # it has never heard of the fleet
    b.clock.advance(29.0)
    a.reset()
    a.send()
    time.sleep(1.1)  # the age of what is stored is by the server's clock
    b.clock.advance(1.1)
    inside.admit(b.circuit)
    assert b.state == "HALF_OPEN"
    b.messages()  # before it was there
    b.exchange.read_all()
    play(a, b)
    assert a.state == b.state == "CLOSED"


def test_first_writer_wins_when_two_decide_from_the_same_base(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    for player in (a, b):
        player.clock.advance(31)
        inside.of(player.circuit).open_until = player.clock()
    a.succeed()  # a closes it by its probe
    b.fail()  # b's probe fails
    play(a, b)
    assert a.state == b.state
    assert a.version == b.version


def test_who_is_refused_does_not_take_a_plain_word_for_what_it_was_refused_for(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    a.send()
    b.fail()
    # A plain speaker that has not heard of the opening goes on saying what it thinks.
    server.ask.hset(f"circuit:{KEY}", mapping={"state": "CLOSED", "failures": 0, "nextAttempt": 0})
    b.send()
    assert (b.state, b.version) == ("OPEN", a.version)
    play(a, b)
    assert a.state == b.state == "OPEN"
    assert a.version == b.version


def test_refused_proposal_publishes_nothing(players: tuple[Player, Player]) -> None:
    a, b = players
    a.fail()
    b.fail()
    a.send()
    assert len(b.messages()) == 1
    b.send()  # refused: a was first
    assert b.messages() == []
    assert b.version == a.version


def test_late_and_repeated_messages_in_any_order_end_in_the_same_state(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.fail()
    a.send()
    a.reset()
    a.send()
    a.fail()
    a.send()
    opened, closed, again = b.messages()
    b.learn_time()
    for message in (again, opened, closed, again, closed):
        b.exchange.inbox.receive(message)
        assert b.state == "OPEN"
        assert b.version == a.version
