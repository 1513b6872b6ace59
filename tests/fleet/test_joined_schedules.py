"""Schedules on which joined runs, votes and leases once failed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import (
    CircuitOpenError,
    CountWindow,
    FailureRate,
    TimeWindow,
)
from tests import inside

from .companion import together
from .player import KEY
from .sessions import jitter_of, note_report, set_report_every

if TYPE_CHECKING:
    from .server import Server

pytestmark = pytest.mark.every_server


def test_failures_join_although_one_instance_knows_a_state_whose_hash_has_expired(
    server: Server, join: Any
) -> None:
    old = join("aaaa", failure_threshold=4)
    old.reset()
    old.send()
    assert old.version
    server.ask.delete(f"circuit:{KEY}")  # its life of an hour is over
    old.clock.advance(3_700.0)
    new = join("bbbb", failure_threshold=4)
    new.exchange.read(KEY)
    for _ in range(3):  # more than enough of them
        for player in (old, new):
            player.fail()
        together(old, new, seconds=0.3)
    assert "OPEN" in {old.state, new.state}


def test_a_threshold_above_the_longest_run_told_is_kept(join: Any) -> None:
    a = join("aaaa", failure_threshold=1000)
    for _ in range(600):
        a.fail()
    together(a, seconds=0.5)
    assert a.state == "CLOSED"


def test_after_a_flush_the_fleet_does_not_seem_to_be_one_instance(
    server: Server, join: Any
) -> None:
    players = [join(name) for name in ("aaaa", "bbbb", "cccc")]
    for player in players:
        player.exchange.heartbeat.beat()
        player.send()
    players[0].exchange.heartbeat.beat()
    players[0].send()
    assert inside.peers_of(players[0].breaker).live == 3
    server.ask.flushall()
    players[0].exchange.heartbeat.beat()
    players[0].send()
    players[1].listen()
    assert inside.peers_of(players[0].breaker).live == 3
    assert inside.peers_of(players[1].breaker).live == 3


def test_failures_counted_while_a_recovery_was_untold_are_told_afterwards(
    server: Server, join: Any
) -> None:
    a = join("aaaa", failure_threshold=4, recovery_timeout=0.3)
    for _ in range(4):
        a.fail()
    a.send()
    time.sleep(0.7)
    a.clock.advance(0.7)
    inside.peers_of(a.breaker).is_connected = False
    a.call()
    assert a.state == "CLOSED"
    a.fail()
    a.fail()
    a.clock.advance(1.0)
    requests = a.take()  # the recovery, and the report that it holds back
    a.answer(requests, a.deliver(requests))
    inside.peers_of(a.breaker).is_connected = True
    together(a, seconds=0.3)
    evidence = f"circuit#evidence:{{circuit:{KEY}}}"
    assert len((server.ask.hget(evidence, ":run") or "").split()) == 2


def test_a_count_window_in_trouble_does_not_report_for_ever(join: Any) -> None:
    rules = [FailureRate(0.5, window=CountWindow(100)), FailureRate(0.5, window=TimeWindow(1.0))]
    a = join("aaaa", failure_threshold=None, trip=rules)
    a.fail()
    sent = 0
    for _ in range(100):
        requests = a.take()
        sent += len(requests)
        a.answer(requests, a.deliver(requests))
        a.clock.advance(0.1)
        if a.clock() < 5:
            continue
    late = 0
    for _ in range(50):
        requests = a.take()
        late += sum(1 for one in requests if one.kind == "report")
        a.answer(requests, a.deliver(requests))
        a.clock.advance(0.1)
    assert late == 0


def test_a_success_of_who_first_uses_a_circuit_during_a_run_ends_it(join: Any) -> None:
    a, b, c = (join(name, failure_threshold=2) for name in ("aaaa", "bbbb", "cccc"))
    inside.registry_of(c.breaker).by_key.clear()
    a.fail()
    together(a, b, c, seconds=0.3)
    for _ in range(20):
        c.call()  # its first calls on it: all is well
        together(a, b, c, seconds=0.05)
    b.fail()
    for _ in range(10):
        c.call()
        together(a, b, c, seconds=0.05)
    assert a.state == b.state == "CLOSED"


def test_successes_after_an_opening_for_oneself_end_the_run(join: Any) -> None:
    a, b = (
        join(name, failure_threshold=3, quorum=2, recovery_timeout=0.3) for name in ("aaaa", "bbbb")
    )
    a.fail()
    a.fail()
    together(a, b, seconds=0.3)  # told
    a.fail()
    assert a.state == "OPEN"  # alone
    together(a, b, seconds=0.4)
    for _ in range(20):
        a.call()
        together(a, b, seconds=0.05)
    assert a.state == "CLOSED"
    b.fail()
    for _ in range(8):
        a.call()
        together(a, b, seconds=0.05)
    assert b.state == "CLOSED"


def test_a_recovery_is_told_although_the_circuit_opened_again_for_itself(
    server: Server, join: Any
) -> None:
    a, b = (
        join(name, quorum=2, recovery_timeout=0.3, failure_threshold=1) for name in ("aaaa", "bbbb")
    )
    a.fail()
    b.fail()
    together(a, b, seconds=0.2)
    assert server.hash(KEY)["state"] == "OPEN"
    time.sleep(0.6)
    for player in (a, b):
        player.clock.advance(0.6)
    inside.peers_of(a.breaker).is_connected = False  # Redis is lost for a moment
    a.call()  # probed, closed
    assert a.state == "CLOSED"
    a.fail()  # and opened again, for itself
    assert a.state == "OPEN"
    a.clock.advance(0.4)
    a.call()
    assert a.state == "CLOSED"
    inside.peers_of(a.breaker).is_connected = True
    a.exchange.read_all()
    together(a, b, seconds=0.3)
    assert a.state == b.state == server.hash(KEY)["state"] == "CLOSED"


def test_the_expired_hash_alone_is_what_keeps_failures_apart(server: Server, join: Any) -> None:
    """The control of the test above: the same calls join where both know the same state."""
    old, new = (join(name, failure_threshold=4) for name in ("aaaa", "bbbb"))
    for _ in range(3):
        for player in (old, new):
            with contextlib.suppress(CircuitOpenError):
                player.fail()
        together(old, new, seconds=0.3)
    assert "OPEN" in {old.state, new.state}


def test_a_rate_is_judged_only_after_all_had_the_time_to_report(server: Server, join: Any) -> None:
    rule = FailureRate(0.5, minimum_calls=10, window=TimeWindow(60.0))
    players = [join(name, failure_threshold=None, trip=rule) for name in ("aaaa", "bbbb", "cccc")]
    sick, quiet, busy = players
    for player in players:
        set_report_every(player.exchange, 10.0)  # report_every=10
    for _ in range(9):
        sick.fail()
    quiet.call()
    for _ in range(100):
        busy.call()
    # The worst of the jitter: the quiet one is early, the busy one late.
    jitter_of(quiet.exchange).uniform = lambda low, high: 0.03 * high  # type: ignore[method-assign]
    jitter_of(busy.exchange).uniform = lambda low, high: 0.4 * high  # type: ignore[method-assign]
    together(*players, seconds=1.0)
    assert quiet.state == "CLOSED", "9 of 110 calls failed"


def test_what_one_decides_for_itself_is_not_written_back_as_the_fleets(
    server: Server, join: Any
) -> None:
    a = join("aaaa")
    alone = join("bbbb", scope="instance")
    alone.fail()
    alone.clock.advance(30.1)
    alone.call()
    a.fail()
    together(a, alone, seconds=0.1)
    assert server.hash(KEY)["state"] == "OPEN"
    assert alone.state == "CLOSED"
    server.ask.delete(f"circuit:{KEY}")
    alone.exchange.read(KEY)
    together(alone, seconds=0.1)
    assert server.hash(KEY).get("state") != "CLOSED"


def test_the_first_failure_after_the_end_of_a_run_is_announced(server: Server, join: Any) -> None:
    a, b = (join(name, failure_threshold=2) for name in ("aaaa", "bbbb"))
    a.fail()
    a.clock.advance(0.06)
    a.send()
    set_report_every(a.exchange, 0.001)
    a.call()
    a.clock.advance(0.002)
    a.send()  # the run is over
    b.fail()
    note_report(b.exchange, KEY)
    b.send()  # within 0.1 s of the announcement of the first run
    time.sleep(0.11)
    b.clock.advance(0.11)
    b.send()
    evidence = f"circuit#evidence:{{circuit:{KEY}}}"
    assert server.ask.hget(evidence, ":run")
    assert server.ask.hget(evidence, ":armed") != "0", "nobody is told, and nobody will be"


def test_a_success_while_a_run_is_suspect_is_an_objection(join: Any) -> None:
    a, b, c = (join(name, failure_threshold=2) for name in ("aaaa", "bbbb", "cccc"))
    for player in (a, b):
        player.fail()
        player.clock.advance(0.06)
        player.send()
    c.listen()  # it hears that the run is suspect, and has had no call since it began
    for _ in range(4):
        c.call()
        together(a, b, c, seconds=0.05)
    together(a, b, c, seconds=0.3)
    assert a.state == b.state == "CLOSED"


def test_failures_of_the_millisecond_of_a_success_before_them_count(
    server: Server, join: Any
) -> None:
    a = join("aaaa", failure_threshold=9)
    a.fail()
    together(a, seconds=0.3)
    a.call()
    for _ in range(3):
        a.fail()
    together(a, seconds=0.3)
    run = server.ask.hget(f"circuit#evidence:{{circuit:{KEY}}}", ":run") or ""
    assert len(run.split()) == 3


def test_a_run_suspect_long_ago_and_never_confirmed_leaves_time_to_object_again(join: Any) -> None:
    a, b, c, d = (join(name, failure_threshold=4) for name in ("aaaa", "bbbb", "cccc", "dddd"))
    for player in (a, b):
        player.fail()
        player.fail()
        player.clock.advance(0.06)
        player.send()
    # Both are lost before they confirm; d goes on well, and has heard of it all.
    d.listen()
    for _ in range(10):
        d.call()
        together(d, seconds=0.05)
    c.fail()
    for _ in range(6):
        d.call()
        together(c, d, seconds=0.05)
    assert c.state == d.state == "CLOSED"
