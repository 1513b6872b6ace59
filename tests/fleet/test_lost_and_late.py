"""Hashes that expire, clocks that step back, servers that forget, news that is old."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.core.override import make_override
from tests import inside

from .player import KEY, Player, play
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from .server import Server

pytestmark = pytest.mark.every_server


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
    a.learn_time()
    ahead = int(server.ask.time()[0] + 86_400) * 1_000_000  # as stored before the step
    news = {"state": "OPEN", "failures": 1, "successes": 0, "nextAttempt": 0}
    at = int(server.ask.time()[0]) * 1000
    said = {"key": KEY, "stats": news, "p": 1, "version": str(ahead), "writer": "cccc", "at": at}
    a.exchange.inbox.receive(json.dumps(said).encode())
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
    a.exchange.put_back(requests)
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
    b.exchange.read_all()
    play(b)
    assert server.hash(KEY)["state"] == "OPEN"
    assert int(server.hash(KEY)["version"]) == a.version


def go_back_to(server: Server, snapshot: dict[str, str]) -> None:
    """Put back into the server what it held once, as after the loss of all writes since."""
    server.ask.delete(f"circuit:{KEY}")
    server.ask.hset(f"circuit:{KEY}", mapping=snapshot)


@pytest.mark.parametrize("end", ["reset", "recovery"])
def test_an_opening_that_ended_hours_before_the_server_went_back_to_it_is_ended_for_newcomers(
    server: Server, players: tuple[Player, Player], end: str
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    snapshot = server.hash(KEY)
    if end == "reset":
        a.reset()
    else:
        a.clock.advance(31)
        a.succeed()
        server.ask.hset(f"circuit:{KEY}", "nextAttempt", "5")
        server.ask.hset(f"circuit:{KEY}", "sum", "OPEN|1|0|5")
    play(a, b)
    assert server.hash(KEY)["state"] == a.state == b.state == "CLOSED"
    version = a.version
    for player in (a, b):
        player.clock.advance(3 * 3600)
    go_back_to(server, snapshot)
    newcomer = Player(server, "cccc")
    newcomer.exchange.read(newcomer.circuit.key)
    play(newcomer)
    assert newcomer.state == "OPEN"
    b.exchange.read_all()
    play(b, newcomer)
    assert server.hash(KEY)["state"] == newcomer.state == "CLOSED"
    assert int(server.hash(KEY)["version"]) == newcomer.version == version
    newcomer.close()


def test_who_is_open_alone_ends_an_opening_that_the_server_went_back_to_as_well(
    server: Server,
) -> None:
    a = Player(server, "aaaa", quorum=2)
    inside.peers_of(a.breaker).live = 2
    a.reset()
    a.send()
    reset = server.hash(KEY)
    opened = reset | {"state": "OPEN", "nextAttempt": str(2**43), "sum": f"OPEN|0|0|{2**43}"}
    opened["version"] = str(int(reset["version"]) - 5)
    a.fail()
    assert a.breaker.stats(KEY).alone
    a.clock.advance(2)
    go_back_to(server, opened)
    b = Player(server, "bbbb", quorum=2)
    b.exchange.read(b.circuit.key)
    play(b)
    assert b.state == "OPEN"
    a.exchange.read_all()
    play(a, b)
    assert server.hash(KEY)["state"] == b.state == "CLOSED"
    assert a.state == "OPEN"
    a.close()
    b.close()


def test_a_circuit_closed_for_hours_is_not_written_back_where_the_server_has_nothing(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, _ = players
    a.reset()
    a.send()
    a.clock.advance(2 * 3600)
    server.ask.delete(f"circuit:{KEY}")
    a.exchange.read_all()
    play(a)
    assert server.hash(KEY) == {}


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
    b.exchange.inbox.receive(json.dumps(said).encode())
    assert inside.registry_of(b.breaker).get("forgotten") is None
    b.send()
    assert inside.registry_of(b.breaker).get("forgotten") is None  # no hash: old news
    server.ask.hset("circuit:forgotten", mapping={"state": "OPEN", "nextAttempt": str(2**52)})
    b.exchange.inbox.receive(json.dumps(said).encode())
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
    b.exchange.read_all()
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
    a.learn_time(1_790_000_000.0)
    a.exchange.inbox.receive(json.dumps(said).encode())
    assert a.state == "OPEN"
    assert a.breaker.stats(KEY).retry_after == pytest.approx(20)


def test_a_wrong_clock_of_who_opened_it_meanwhile_does_not_set_our_open_time(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    for player in (a, b):
        player.clock.advance(31)
        inside.of(player.circuit).open_until = player.clock()
    a.succeed()  # its probe: closed, and not told yet
    PlainSpeaker(server, skew=300.0).say("OPEN", failures=5, open_for=30.0)
    requests = [one for one in a.take() if one.kind in {"change", "time"}]
    a.answer(requests, a.deliver(requests))  # refused: somebody has opened it
    play(a, b)
    assert a.state == b.state == "OPEN"
    assert a.breaker.stats(KEY).retry_after <= 31.0


def test_an_override_heard_of_with_a_stale_clock_is_read_and_not_taken_for_over(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    play(a, b)
    b.own.server.sample(b.clock(), b.clock(), time.time() + 400.0)  # set back since
    override = make_override("forced_open", by="ann", reason="a test", seconds=60.0, now=a.clock())
    a.exchange.overrides.order(KEY, override, "ann")
    a.send()
    b.listen()
    b.send()
    assert b.state == "OPEN"
    assert 50 < b.breaker.stats(KEY).retry_after <= 60
