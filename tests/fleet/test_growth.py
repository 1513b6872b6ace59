"""What an incident costs the server grows little with the fleet."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.fleet.run_times import HELD_BACK
from simulator import recoveries
from simulator.recoveries import Size
from tests import inside

from .companion import Companion, together
from .player import KEY
from .sessions import reread_only, waiting_time_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import Server


@pytest.fixture
def join(server: Server) -> Iterator[Callable[..., Companion]]:
    """Add an instance to the fleet."""
    with contextlib.ExitStack() as stack:

        def enter(instance: str, **settings: Any) -> Companion:
            companion = Companion(server, instance, **settings)
            companion.circuit  # noqa: B018 - made
            stack.callback(companion.close)
            return companion

        yield enter


def count(player: Companion) -> Counter[str]:
    """Send all there is, and count it by kind."""
    sent: Counter[str] = Counter()
    while requests := player.take():
        sent.update(one.kind for one in requests)
        player.answer(requests, player.deliver(requests))
    return sent


def make_suspect(*players: Companion) -> None:
    """Let a call fail at each, enough of them for the fleet; all receive it."""
    for player in players:
        player.fail()
        player.clock.advance(0.06)
        player.send()
    for player in players:
        player.listen()


def test_failures_of_a_run_that_is_long_enough_are_not_reported(join: Any) -> None:
    a, b, c = (join(name, failure_threshold=2) for name in ("aaaa", "bbbb", "cccc"))
    make_suspect(a, b)
    c.listen()
    c.fail()
    c.clock.advance(0.1)
    assert count(c)["report"] == 0
    together(a, b, c, seconds=0.4)
    assert c.state == "OPEN"


def test_failures_held_back_are_reported_if_the_run_was_ended(join: Any) -> None:
    a, b, c = (join(name, failure_threshold=3) for name in ("aaaa", "bbbb", "cccc"))
    a.fail()
    make_suspect(a, b)
    c.listen()
    c.fail()
    c.clock.advance(0.1)
    assert count(c)["report"] == 0
    c.clock.advance(HELD_BACK)
    assert count(c)["report"] == 1


def test_a_success_is_an_objection_although_failures_are_held_back(join: Any) -> None:
    a, b, c = (join(name, failure_threshold=2) for name in ("aaaa", "bbbb", "cccc"))
    make_suspect(a, b)
    c.listen()
    c.fail()
    c.call()
    together(a, b, c, seconds=0.4)
    assert a.state == b.state == c.state == "CLOSED"


def test_who_hears_that_the_circuit_is_open_asks_for_no_confirmation(join: Any) -> None:
    a, b = (join(name, failure_threshold=2) for name in ("aaaa", "bbbb"))
    make_suspect(a, b)
    together(a, seconds=0.3)
    assert a.state == "OPEN"
    b.listen()
    b.clock.advance(0.3)
    assert count(b)["confirm"] == 0


def test_reports_ask_for_the_time_only_when_it_was_not_asked_for_lately(join: Any) -> None:
    a = join("aaaa", failure_threshold=9)
    a.exchange.read(KEY)
    assert count(a)["time"]
    a.fail()
    a.clock.advance(0.06)
    assert count(a) == {"report": 1}
    a.clock.advance(11.0)
    a.fail()
    a.clock.advance(0.06)
    assert count(a) == {"time": 1, "report": 1}


def test_the_index_is_trimmed_and_given_its_life_now_and_then(server: Server, join: Any) -> None:
    a = join("aaaa")
    sent = []
    for _ in range(3):
        a.fail()
        sent.append(count(a)["index_write"])
        a.reset()
        a.send()
    assert sent == [3, 1, 1]
    assert 0 < server.ask.ttl("circuit#index") <= 2 * 86_400
    server.ask.flushall()
    a.exchange.read_all()  # as when the server has lost its data
    a.send()
    a.fail()
    a.send()
    assert server.ask.ttl("circuit#index") > 0
    a.clock.advance(600.0)
    a.reset()
    assert count(a)["index_write"] == 3


def test_a_few_of_many_instances_read_what_is_open_in_a_repair(join: Any) -> None:
    a = join("aaaa", live=1_000)
    a.fail()
    a.send()
    reads = 0
    for _ in range(200):
        reread_only(a.exchange, "another")  # not its turn to be read with all the others
        a.exchange.rereading.repair()
        reads += count(a)["read"] - 1
    assert reads <= 20
    b = join("bbbb", live=3)
    b.fail()
    b.send()
    reread_only(b.exchange, "another")
    b.exchange.rereading.repair()
    assert count(b)["read"] == 2


@pytest.mark.parametrize(("live", "at_once"), [(2, 1.0), (3, 1.0), (30, 0.1), (1_000, 0.003)])
def test_of_many_instances_a_few_ask_for_the_lease_at_once(
    join: Any, live: int, at_once: float
) -> None:
    a = join("aaaa", live=live)
    a.fail()
    inside.of(a.circuit).calls_per_second = 10.0
    turns = sorted(waiting_time_of(a.exchange, a.circuit) for _ in range(5_000))
    share = turns.count(0.0) / len(turns)
    assert at_once / 2 <= share <= 2 * at_once
    assert turns[-1] <= 2.0  # and yet the last one asks soon


@pytest.mark.parametrize("instances", [5, 50])
def test_an_incident_costs_a_few_dozen_commands(instances: int) -> None:
    size = Size(instances, rate=50.0, times=6, latency=0.001, duration=0.01)
    found = recoveries.measure(size)
    commands = [sum(one.commands.values()) for one in found]
    assert sum(commands) / len(commands) <= 36 + 0.02 * instances
    assert max(one.rejected for one in found) <= 4
    assert min(one.probed for one in found) >= 2  # as many as must succeed
