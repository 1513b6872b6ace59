"""What counts as a change that came late, or that no message told of."""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.fleet.propagation_lag import LATE, PropagationLag
from tests import inside

from .player import KEY, Player, play

BEGAN = 1_790_000_000.0


@pytest.fixture
def learning() -> PropagationLag:
    learning = PropagationLag()
    learning.start()
    learning.subscribed()
    learning.take_time(BEGAN)
    return learning


def test_a_message_tells_its_lag(learning: PropagationLag) -> None:
    heard = []
    learning.heard = lambda lag, by_message: heard.append((lag, by_message))
    learning.learned(BEGAN + 5.0, BEGAN + 5.25, by_message=True)
    assert heard == [(0.25, True)]
    assert learning.lag == 0.25
    assert learning.corrected == 0


def test_a_clock_that_is_a_little_ahead_gives_no_negative_lag(learning: PropagationLag) -> None:
    learning.learned(BEGAN + 5.002, BEGAN + 5.0, by_message=True)
    assert learning.lag == 0.0


def test_what_was_read_late_though_written_since_is_a_correction(learning: PropagationLag) -> None:
    learning.learned(BEGAN + 5.0, BEGAN + 5.0 + LATE, by_message=False)
    assert learning.corrected == 1
    assert learning.lag == LATE


def test_a_stamp_of_the_same_millisecond_is_not_before_the_subscription() -> None:
    learning = PropagationLag()
    learning.subscribed()
    learning.take_time(BEGAN + 0.0007)
    learning.learned(BEGAN, BEGAN + 20.0, by_message=False)  # written after, and cut off
    assert learning.corrected == 1


def test_what_was_read_soon_is_none_its_message_may_be_under_way(learning: PropagationLag) -> None:
    learning.learned(BEGAN + 5.0, BEGAN + 5.5, by_message=False)
    assert learning.corrected == 0
    assert learning.lag == 0.5


@pytest.mark.parametrize(
    ("written", "now"),
    [
        (BEGAN - 0.002, BEGAN + 60.0),  # before the subscription: nobody told this process
        (0.0, BEGAN + 60.0),  # of a plain speaker, who does not say when
    ],
)
def test_other_readings_are_none(learning: PropagationLag, written: float, now: float) -> None:
    learning.learned(written, now, by_message=False)
    assert learning.corrected == 0
    assert learning.lag is None


def test_nothing_counts_before_the_time_of_the_subscription_is_known() -> None:
    learning = PropagationLag()
    learning.start()
    learning.take_time(BEGAN)  # answers come, messages not yet
    learning.learned(BEGAN + 1.0, BEGAN + 9.0, by_message=False)
    assert learning.corrected == 0
    learning.subscribed()
    learning.take_time(None)
    learning.take_time(BEGAN + 10.0)
    learning.learned(BEGAN + 9.0, BEGAN + 19.0, by_message=False)
    assert learning.corrected == 0
    learning.learned(BEGAN + 11.0, BEGAN + 19.0, by_message=False)
    assert learning.corrected == 1


def test_a_new_subscription_has_to_learn_its_time_first(learning: PropagationLag) -> None:
    learning.subscribed()
    learning.learned(BEGAN + 5.0, BEGAN + 60.0, by_message=False)
    assert learning.corrected == 0


def subscribe(*players: Player) -> None:
    for player in players:
        player.exchange.read_all()
    play(*players)


def later(player: Player, seconds: float) -> None:
    """Let time pass for one player, and so on the server as that player knows it."""
    player.clock.advance(seconds)


def test_a_lost_message_is_a_correction_of_the_repair(players: tuple[Player, Player]) -> None:
    a, b = players
    subscribe(a, b)
    a.fail()
    a.send()
    b.messages()  # lost
    later(b, 20.0)
    b.exchange.rereading.repair()
    requests = [request for request in b.take() if request.kind == "read"]
    b.answer(requests, b.deliver(requests))
    assert b.state == "OPEN"
    assert b.own.lag.corrected == 1


def test_a_change_of_its_own_is_none_though_it_was_read(players: tuple[Player, Player]) -> None:
    a, _ = players
    subscribe(a)
    a.fail()
    a.deliver(a.take())  # the answer is lost
    later(a, 20.0)
    a.exchange.rereading.repair()
    requests = [request for request in a.take() if request.kind == "read"]
    a.answer(requests, a.deliver(requests))
    assert a.version > 0
    assert a.own.lag.corrected == 0
    assert a.own.lag.lag is None


def test_a_message_in_time_is_none(players: tuple[Player, Player]) -> None:
    a, b = players
    subscribe(a, b)
    a.fail()
    play(a, b)
    assert b.state == "OPEN"
    assert b.own.lag.corrected == 0
    assert b.own.lag.lag is not None
    assert a.own.lag.lag is None  # its own change


def test_a_circuit_made_now_has_missed_nothing(players: tuple[Player, Player]) -> None:
    a, b = players
    subscribe(a, b)
    inside.open_here(a.breaker.circuit("other"), 30.0)
    inside.of(a.breaker.circuit("other")).unsynced = True
    a.exchange.changed(a.breaker.circuit("other"))
    a.send()
    b.messages()
    later(b, 20.0)
    b.breaker.circuit("other")
    b.exchange.read("other")
    requests = [request for request in b.take() if request.kind == "read"]
    b.answer(requests, b.deliver(requests))
    assert b.breaker.state("other") == "OPEN"
    assert b.own.lag.corrected == 0
    assert not b.own.lag.unread


def test_after_a_new_subscription_what_was_written_before_it_is_no_correction(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    subscribe(a, b)
    a.fail()
    a.send()
    b.messages()
    later(b, 20.0)
    subscribe(b)
    assert b.state == "OPEN"
    assert b.own.lag.corrected == 0
    assert KEY in {circuit.key for circuit in b.breaker.circuits()}
