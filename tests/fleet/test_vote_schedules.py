"""Schedules on which votes once failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import inside

from .companion import together
from .player import KEY

if TYPE_CHECKING:
    from .server import Server


pytestmark = pytest.mark.every_server


def test_a_vote_whose_withdrawal_got_no_answer_is_withdrawn_again(
    server: Server, join: Any
) -> None:
    a = join("aaaa", quorum=2, recovery_timeout=30.0)
    a.fail()
    a.send()
    evidence = f"circuit#evidence:{{circuit:{KEY}}}"
    assert server.ask.hget(evidence, ":votes")
    a.clock.advance(30.1)
    a.call()  # a probe: closed again
    assert a.state == "CLOSED"
    requests = a.take()
    assert [one.kind for one in requests if one.kind == "vote"]
    a.exchange.put_back(requests)  # Redis was lost just then
    a.send()
    assert server.ask.hget(evidence, ":votes") == ""


def test_the_vote_of_an_opening_by_a_joined_run_is_told_at_once(server: Server, join: Any) -> None:
    a, b, c = (join(name, quorum=2, failure_threshold=4) for name in ("aaaa", "bbbb", "cccc"))
    for player in (a, b):
        player.fail()
        player.fail()
    together(a, b, c, seconds=0.6)
    assert a.state == b.state == "OPEN"  # for itself alone, or for all
    assert c.state == "OPEN", "two instances of three have met the trouble"


def test_a_vote_of_an_instance_that_has_left_does_not_count(server: Server, join: Any) -> None:
    a, b = (join(name, quorum=2) for name in ("aaaa", "bbbb"))
    a.fail()
    a.send()
    a.exchange.leave()
    a.send()
    again = join("cccc", quorum=2)  # the same process, or its successor
    again.fail()
    together(again, b, seconds=0.2)
    assert b.state == "CLOSED"


def test_a_vote_survives_a_flush(server: Server, join: Any) -> None:
    a, b, c = (join(name, quorum=2) for name in ("aaaa", "bbbb", "cccc"))
    a.fail()
    together(a, b, c, seconds=0.1)
    server.ask.flushall()
    a.exchange.rereading.repair()  # half a minute later at most
    together(a, b, c, seconds=0.1)
    b.fail()
    together(a, b, c, seconds=0.2)
    assert c.state == "OPEN"


def test_votes_are_asked_for_again_where_enough_came_to_be_by_others_leaving(
    server: Server, join: Any
) -> None:
    a, b, c, d = (join(name, live=4, quorum=0.5) for name in ("aaaa", "bbbb", "cccc", "dddd"))
    a.fail()
    together(a, b, c, d, seconds=0.1)
    for player in (a, b, c, d):
        inside.peers_of(player.breaker).live = 2  # two have left: one vote is half of the rest
    a.exchange.rereading.repair()
    together(a, b, seconds=0.2)
    assert b.state == "OPEN"


@pytest.mark.parametrize("settings", [{"quorum": 2}, {"scope": "instance"}])
def test_a_vote_about_a_state_that_the_server_has_lost_makes_no_storm(
    server: Server, join: Any, settings: dict[str, Any]
) -> None:
    a = join("aaaa", recovery_timeout=0.5, **settings)
    a.reset()
    a.send()  # a version of the fleet's, and then the hash is gone
    server.ask.flushall()
    a.fail()
    sent = 0
    for _ in range(100):
        requests = a.take()
        sent += sum(1 for one in requests if one.kind == "vote")
        a.answer(requests, a.deliver(requests))
        a.clock.advance(0.01)
    assert 1 <= sent <= 10
    if "quorum" in settings:
        assert server.hash(KEY)["state"] == "CLOSED"  # what it departed from
        assert server.ask.hget(f"circuit#evidence:{{circuit:{KEY}}}", ":votes")
    a.call()  # a probe of its own: closed again
    assert a.state == "CLOSED"
    together(a, seconds=0.3)
    assert not inside.of(a.circuit).has_voted
