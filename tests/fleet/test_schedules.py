"""The schedules that versions, operation ids and bases exist for, played on a real server."""

from __future__ import annotations

import json
from concurrent.futures import Future
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis as redis_py

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.fleet.agenda import Agenda
from fastapi_hybrid_breaker.fleet.errands import Errands
from fastapi_hybrid_breaker.fleet.knowledge import Knowledge
from fastapi_hybrid_breaker.fleet.scripts import load
from fastapi_hybrid_breaker.fleet.wire import Names
from tests.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.fleet.errands import Request

    from .server import Server

KEY = "inventory-api"


class Player:
    """One instance whose every send, answer and message the test moves by hand."""

    def __init__(self, server: Server, instance: str, **config: Any) -> None:
        self.clock = ManualClock()
        settings = {"failure_threshold": 1, "success_threshold": 1, "recovery_timeout": 30.0}
        defaults = CircuitConfig(**(settings | config))
        self.breaker = HybridBreaker(redis=None, defaults=defaults, clock=self.clock)
        self.knowledge = Knowledge(
            self.breaker.registry,
            Errands(100),
            instance=instance,
            clock=self.clock,
            random=Random(1),
        )
        self.agenda = Agenda(self.knowledge, Names("circuit"), most_in_index=100)
        self.breaker.sync.changed = self.agenda.changed  # type: ignore[method-assign]
        self.raw = redis_py.Redis(port=server.port, protocol=2)
        self.pubsub = self.raw.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe("circuit:updates")
        self.pubsub.get_message(timeout=5)
        self.raw.script_load(load("circuit.lua").text)

    @property
    def circuit(self) -> Circuit:
        return self.breaker.circuit(KEY)

    @property
    def state(self) -> CircuitState:
        return self.breaker.state(KEY)

    @property
    def version(self) -> int:
        return self.breaker.stats(KEY).version

    def fail(self) -> None:
        self.circuit.settle(self.circuit.admit(), Outcome.FAILURE)

    def succeed(self) -> None:
        self.circuit.settle(self.circuit.admit(), Outcome.SUCCESS)

    def reset(self) -> Future[None]:
        return self.agenda.reset(KEY, self.circuit.reset_here())

    def take(self) -> list[Request]:
        return self.agenda.take(100)

    def deliver(self, requests: list[Request]) -> list[Any]:
        """Have the server do it; the answers are not taken yet."""
        answers: list[Any] = []
        for request in requests:
            try:
                answers.append(self.raw.execute_command(*request.command))
            except redis_py.ResponseError as error:
                answers.append(error)
        return answers

    def answer(self, requests: list[Request], answers: list[Any]) -> None:
        now = self.clock()
        self.agenda.answered(requests, answers, now, now)

    def send(self) -> None:
        """Send all there is, with prompt answers."""
        while requests := self.take():
            self.answer(requests, self.deliver(requests))

    def messages(self) -> list[bytes]:
        """What came over the channel by now."""
        self.raw.ping()
        found = []
        while (message := self.pubsub.get_message(timeout=0.05)) is not None:
            found.append(message["data"])
        return found

    def listen(self) -> None:
        for message in self.messages():
            self.knowledge.hear(message)

    def close(self) -> None:
        self.pubsub.close()
        self.raw.close()


@pytest.fixture
def players(server: Server) -> Iterator[tuple[Player, Player]]:
    a, b = Player(server, "aaaa"), Player(server, "bbbb")
    for player in (a, b):
        player.circuit  # noqa: B018 - made, so that news is adopted
    yield a, b
    a.close()
    b.close()


def play(*players: Player) -> None:
    """Let everything arrive."""
    for _ in range(4):
        for player in players:
            player.send()
        for player in players:
            player.listen()


def test_a_proposal_repeated_after_a_lost_answer_changes_nothing(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    requests = a.take()
    a.deliver(requests)  # done, but the answer is lost
    stored = server.hash(KEY)
    a.agenda.put_back(requests)
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
    a.agenda.put_back(lost)
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


def test_first_writer_wins_when_two_decide_from_the_same_base(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    for player in (a, b):
        player.clock.advance(31)
        player.circuit.machine.deadline = player.clock()
    a.succeed()  # a closes it by its probe
    b.fail()  # b's probe fails
    play(a, b)
    assert a.state == b.state
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
    for message in (again, opened, closed, again, closed):
        b.knowledge.hear(message)
        assert b.state == "OPEN"
        assert b.version == a.version


def test_hash_expired_while_old_instances_remember(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    before = a.version
    server.ask.flushall()
    a.reset()
    play(a, b)
    assert int(server.hash(KEY)["version"]) > before
    assert b.state == "CLOSED"


def test_server_clock_that_steps_back_does_not_stop_versions_from_rising(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    ahead = int(server.ask.time()[0] + 86_400) * 1_000_000  # as stored before the step
    news = {"state": "OPEN", "failures": 1, "successes": 0, "nextAttempt": 0}
    at = int(server.ask.time()[0]) * 1000
    said = {"key": KEY, "stats": news, "p": 1, "version": str(ahead), "writer": "cccc", "at": at}
    a.knowledge.hear(json.dumps(said).encode())
    assert a.version == ahead
    a.reset()
    play(a, b)
    assert a.version > ahead
    assert b.version == a.version
    b.fail()
    play(a, b)
    assert a.state == "OPEN"
    assert a.version == b.version > ahead + 1


def test_versions_keep_all_their_digits(server: Server, players: tuple[Player, Player]) -> None:
    a, _ = players
    a.fail()
    a.send()
    stored = server.hash(KEY)["version"]
    assert stored.isdigit()
    assert len(stored) == 16
    assert int(server.ask.zscore("circuit#index", KEY)) == int(stored)


def test_only_the_last_eight_operations_are_kept(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, _ = players
    for _ in range(12):
        a.reset()
        a.send()
    assert server.hash(KEY)["ops"].split() == [f"aaaa-{n}" for n in range(5, 13)]


def test_reset_counts_as_confirmed_only_when_answered(players: tuple[Player, Player]) -> None:
    a, _ = players
    done = a.reset()
    requests = a.take()
    a.deliver(requests)
    assert not done.done()
    a.agenda.put_back(requests)
    a.send()
    assert done.done()


def test_old_hash_after_a_failover_is_written_over_by_who_knows_better(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.reset()
    play(a, b)
    old = server.hash(KEY)
    a.fail()
    play(a, b)
    server.ask.delete(f"circuit:{KEY}")
    server.ask.hset(f"circuit:{KEY}", mapping=old)  # what the lost second left
    b.agenda.read_all()
    play(b)
    assert server.hash(KEY)["state"] == "OPEN"
    assert int(server.hash(KEY)["version"]) == a.version


def test_news_of_a_forgotten_key_is_read_and_not_adopted_from_the_message(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    said = {
        "key": "forgotten",
        "stats": {"state": "OPEN", "failures": 1, "successes": 0, "nextAttempt": 2**50},
        "p": 1,
        "version": "1790000000000000",
        "writer": "cccc",
        "at": 1_790_000_000_000,
    }
    b.knowledge.hear(json.dumps(said).encode())
    assert b.breaker.registry.get("forgotten") is None
    b.send()
    assert b.breaker.registry.get("forgotten") is None  # no hash: old news
    server.ask.hset("circuit:forgotten", mapping={"state": "OPEN", "nextAttempt": str(2**52)})
    b.knowledge.hear(json.dumps(said).encode())
    b.send()
    b.clock.advance(1)
    play(a, b)
    assert b.breaker.state("forgotten") == "OPEN"


def test_open_time_is_the_openers(server: Server) -> None:
    a = Player(server, "aaaa", recovery_timeout=300.0)
    b = Player(server, "bbbb", recovery_timeout=5.0)
    b.circuit  # noqa: B018
    a.fail()
    play(a, b)
    assert 290 < b.breaker.stats(KEY).retry_after <= 300
    a.close()
    b.close()


def test_open_longer_than_an_hour_outlives_the_hour(server: Server) -> None:
    a = Player(server, "aaaa", recovery_timeout=80_000.0)
    a.fail()
    a.send()
    assert server.ask.ttl(f"circuit:{KEY}") > 80_000
    a.close()


def test_hosts_whose_clocks_differ_by_minutes_behave_alike(
    players: tuple[Player, Player],
) -> None:
    a, b = players
    a.clock.advance(1_000_000)  # monotonic clocks have nothing to do with each other
    b.agenda.read_all()
    b.send()
    a.fail()
    play(a, b)
    assert b.breaker.stats(KEY).retry_after == pytest.approx(30, abs=2)
    assert a.breaker.stats(KEY).retry_after == pytest.approx(30, abs=2)


def test_higher_protocol_is_read_for_state_version_and_times_only(
    players: tuple[Player, Player],
) -> None:
    a, _ = players
    said = {
        "key": KEY,
        "stats": {"state": "OPEN", "failures": "other in future", "nextAttempt": 1_790_000_020_000},
        "p": 2,
        "version": "1790000000000000",
        "writer": "cccc",
        "at": 1_790_000_000_000,
        "more": [1, 2],
    }
    a.knowledge.hear(json.dumps(said).encode())
    assert a.state == "OPEN"
    assert a.breaker.stats(KEY).retry_after == pytest.approx(20)
