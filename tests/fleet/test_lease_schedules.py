"""Schedules on which leases and probes once failed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import (
    CircuitOpenError,
)
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.fleet.leases import TERM
from tests import inside

from .companion import together
from .player import KEY
from .sessions import posts_of

if TYPE_CHECKING:
    from .server import Server


FAR = 60.0
"""Seconds of a round trip that let no call be rare: all probes need a lease."""

pytestmark = pytest.mark.every_server


def test_a_call_every_three_seconds_becomes_a_probe_some_day(join: Any) -> None:
    a = join("aaaa", recovery_timeout=0.3)
    a.fail()
    a.send()
    time.sleep(0.4)
    a.clock.advance(0.4)
    for _ in range(40):  # two minutes
        with contextlib.suppress(CircuitOpenError):
            a.call()
        for _ in range(30):
            a.send()
            a.clock.advance(0.1)
    assert a.state == "CLOSED"


def test_a_probe_without_a_lease_takes_a_place_of_a_lease_not_used_so_far(join: Any) -> None:
    settings = {"recovery_timeout": 0.3, "half_open_max_calls": 1, "round_trip": FAR}
    a, b = (join(name, **settings) for name in ("aaaa", "bbbb"))
    a.fail()
    together(a, b)
    for player in (a, b):
        player.clock.advance(5.0)  # nobody has called since
        player.learn_time()  # by the clock of the test alone
    inside.of(b.circuit).wants_lease = True
    b.exchange.touched(b.circuit)
    b.send()
    assert inside.of(b.circuit).lease is not None
    ticket = inside.admit(a.circuit)  # long after the open time: a probe at once
    for _ in range(2):  # before it has asked again, and after
        together(a, b, seconds=0.1)
        with pytest.raises(CircuitOpenError):
            b.call()
    inside.settle(a.circuit, ticket, Outcome.SUCCESS)


def test_all_hear_of_a_probe_that_waits_for_no_lease(server: Server, join: Any) -> None:
    settings = {"recovery_timeout": 0.3, "success_threshold": 3, "round_trip": FAR}
    a, b, c = (join(name, **settings) for name in ("aaaa", "bbbb", "cccc"))
    a.fail()
    together(a, b, c)
    for prober in (a, b):
        for player in (a, b, c):
            player.clock.advance(6.0)  # no sign of a probe
        server.ask.hdel(f"circuit:{KEY}", "told")  # that is so long ago for the server too
        ticket = inside.admit(prober.circuit)
        together(a, b, c, seconds=0.1)
        inside.settle(prober.circuit, ticket, Outcome.SUCCESS)
    with pytest.raises(CircuitOpenError):
        c.call()


def test_half_open_leases_stay_exclusive_when_the_clock_is_set_back(
    server: Server, join: Any
) -> None:
    settings = {"recovery_timeout": 0.3, "success_threshold": 3, "round_trip": FAR}
    a, b = (join(name, **settings) for name in ("aaaa", "bbbb"))
    a.fail()
    together(a, b, seconds=0.5)
    for player in (a, b):
        with contextlib.suppress(CircuitOpenError):
            inside.admit(player.circuit)
        player.send()
    together(a, b, seconds=0.1)
    # As if it had been written by a clock five minutes ahead.
    now = int(time.time() * 1000)
    server.ask.hset(
        f"circuit:{KEY}",
        mapping={
            "nextAttempt": now + 300_000,
            "at": now + 300_000,
            "sum": f"HALF_OPEN|0|0|{now + 300_000}",
            "state": "HALF_OPEN",
        },
    )
    held = []
    for player in (a, b):
        posts_of(player.exchange).clear()
        inside.of(player.circuit).lease = None
        player.clock.advance(3.0)
        with contextlib.suppress(CircuitOpenError):
            inside.admit(player.circuit)
        player.send()
        lease = inside.of(player.circuit).lease
        held.append(lease is not None and lease.places > 1)
    assert held != [True, True]


def test_a_lease_is_not_asked_for_with_every_call_where_the_answer_is_none(
    server: Server, join: Any
) -> None:
    a = join("aaaa", recovery_timeout=0.3)
    a.fail()
    a.send()
    server.ask.delete(f"circuit:{KEY}")
    server.ask.set(f"circuit:{KEY}", "no hash")
    a.clock.advance(0.6)
    asked = 0
    for _ in range(100):
        with contextlib.suppress(CircuitOpenError):
            a.call()
        requests = a.take()
        asked += sum(1 for one in requests if one.kind == "lease")
        a.answer(requests, a.deliver(requests))
        a.clock.advance(0.001)
    assert asked < 10, f"asked {asked} times in 0.1 s"


def test_who_opened_again_in_vain_asks_for_the_lease_like_anybody(
    server: Server, join: Any
) -> None:
    settings = {"recovery_timeout": 0.3, "success_threshold": 3, "round_trip": FAR}
    a, b = (join(name, **settings) for name in ("aaaa", "bbbb"))
    a.fail()
    together(a, b)
    for player in (a, b):
        player.clock.advance(6.0)  # long after the open time: a call is a probe at once
    a.call()
    a.send()
    # b has not heard of that, its probe fails, and its dependency asks for a long open time.
    inside.settle(b.circuit, inside.admit(b.circuit), Outcome.FAILURE, asked=60.0)
    b.send()
    assert b.state == "HALF_OPEN"  # a was first
    with pytest.raises(CircuitOpenError):
        b.call()
    due = b.exchange.own.schedule.due_of("lease", KEY)
    assert due is not None
    assert due <= b.clock() + TERM
