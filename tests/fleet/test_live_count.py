"""How many instances live: what the server answers decides, and a message for a moment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.fleet.live_count import LiveCount
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .instances import fail, fleet, settled, until
from .player import KEY, Player

if TYPE_CHECKING:
    from .server import Server


class Counted:
    def __init__(self) -> None:
        self.peers, self.clock = Peers(), ManualClock()
        self.count = LiveCount(self.peers, self.clock, fewer_after=15.0)

    @property
    def live(self) -> int:
        return self.peers.live


@pytest.mark.parametrize(("answer", "tick", "believed"), [(3, 5, 5), (3, 6, 6), (3, 10**6, 6)])
def test_a_tick_raises_the_number_to_twice_the_last_answer_at_most(
    answer: int, tick: int, believed: int
) -> None:
    counted = Counted()
    counted.count.answered(answer)
    counted.count.announced(tick)
    counted.count.announced(tick)
    assert counted.live == believed


def test_each_answer_replaces_what_ticks_said_at_once() -> None:
    counted = Counted()
    counted.count.answered(3)
    counted.count.announced(6)
    counted.count.answered(3)
    assert counted.live == 3
    counted.count.announced(6)
    counted.count.answered(4)
    assert counted.live == 4


def test_a_tick_never_lowers_the_number() -> None:
    counted = Counted()
    counted.count.answered(3)
    for _ in range(10):
        counted.clock.advance(5.0)
        counted.count.announced(0)
    assert counted.live == 3


def test_fewer_are_believed_after_fifteen_seconds_of_answers() -> None:
    counted = Counted()
    counted.count.answered(3)
    for _ in range(3):
        counted.count.answered(1)
        counted.clock.advance(4.9)
    assert counted.live == 3
    counted.clock.advance(1.0)
    counted.count.answered(2)
    assert counted.live == 2


def test_before_the_first_answer_a_tick_says_two_at_most() -> None:
    counted = Counted()
    counted.count.announced(50)
    assert counted.live == 2


async def test_a_tick_of_a_million_instances_does_not_keep_a_quorum_from_opening(
    server: Server,
) -> None:
    config = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, quorum=0.3)
    async with fleet(server, 3, config) as breakers:
        for breaker in breakers:
            breaker.circuit(KEY)
        await settled(*breakers)
        for breaker in breakers:
            await until(lambda b=breaker: inside.peers_of(b).live == 3)
        for _ in range(5):
            server.ask.publish("circuit#signals", json.dumps({"signal": "tick", "live": 10**6}))
        await settled(*breakers)
        for breaker in breakers:
            assert inside.peers_of(breaker).live <= 6
        for breaker in breakers[:2]:
            await fail(breaker, KEY)
        await until(lambda: breakers[2].state(KEY) == "OPEN")


def test_ticks_at_most_double_the_heartbeats(server: Server) -> None:
    player = Player(server, "aaaa")
    player.send()
    beats = 0
    tick = json.dumps({"signal": "tick", "live": 10**6}).encode()
    for _ in range(600):  # a minute, ten ticks a second
        player.clock.advance(0.1)
        player.exchange.inbox.receive_signal(tick)
        requests = player.take()
        beats += sum(request.kind == "heartbeat" for request in requests)
        player.answer(requests, player.deliver(requests))
    player.close()
    assert beats <= 2 * 60 / 4.5


async def test_three_that_start_together_know_of_each_other_before_the_next_heartbeat(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.heartbeat.BEAT_EVERY", 10_000.0)
    async with fleet(server, 3) as breakers:
        for breaker in breakers:
            await until(lambda b=breaker: inside.peers_of(b).live == 3)
