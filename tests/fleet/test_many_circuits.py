"""Instances with many circuits on a real server: none of their work holds up others for long.

What is counted is done in one turn of the event loop; others wait for no more than that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from fastapi_hybrid_breaker.core.membership import Membership
from fastapi_hybrid_breaker.core.states import FAILURE
from fastapi_hybrid_breaker.fleet.circuit_requests import CircuitRequests
from fastapi_hybrid_breaker.fleet.exchange import Exchange
from fastapi_hybrid_breaker.fleet.inbox import Inbox
from fastapi_hybrid_breaker.fleet.rereading import Rereading
from fastapi_hybrid_breaker.fleet.unhealthy import UnhealthyCircuits
from tests import inside
from tests.patience import PATIENCE
from tests.turns import Turns

from .instances import fleet, settled, until
from .sessions import asyncio_task_of, session_of, tasks_of, wake

if TYPE_CHECKING:
    from .server import Server

BATCH = 50
MESSAGES = 16
TOUCHED = 128
PREPARED = 200
KEYS = [f"host-{number:04}" for number in range(600)]
CONFIG = CircuitConfig(failure_threshold=1, recovery_timeout=600.0)


def count(monkeypatch: pytest.MonkeyPatch) -> Turns:
    turns = Turns(monkeypatch)
    turns.count(Rereading, "_read_again", "visited")
    turns.count(Rereading, "_repair", "visited")
    turns.count(CircuitRequests, "request", "asked")
    turns.count(Exchange, "_take", "answered")
    turns.count(Exchange, "changed", "changed")
    turns.count(Inbox, "receive", "heard")
    turns.count(UnhealthyCircuits, "_look_at", "told")
    return turns


def check(turns: Turns, instances: int = 1) -> None:
    assert turns.most("visited") <= instances * BATCH
    assert turns.most("asked") <= instances * BATCH
    assert turns.most("answered") <= instances * (BATCH + 5 * 7 + 1)
    # Of calls, of answers, and of circuits that are visited.
    assert turns.most("changed") <= instances * (TOUCHED + 3 * BATCH)
    assert turns.most("heard") <= instances * MESSAGES
    assert turns.most("told") <= instances * BATCH


def open_all(breaker: HybridBreaker) -> None:
    for key in KEYS:
        circuit = breaker.circuit(key)
        inside.settle(circuit, inside.admit(circuit), FAILURE)


async def test_a_start_and_a_reconnect_hold_up_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = count(monkeypatch)
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    for key in KEYS:
        breaker.circuit(key)
    async with breaker:
        await until(lambda: breaker.sync_status().state == "connected")
        assert turns.total("visited") == len(KEYS)  # it is not connected before all were read
        turns.clear()
        server.ask.client_kill_filter(_type="pubsub")
        await until(lambda: turns.total("visited") == len(KEYS))
        await settled(breaker)
    check(turns)


async def test_a_second_start_with_many_open_circuits_holds_up_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with breaker:
        open_all(breaker)
        await settled(breaker)
    turns = count(monkeypatch)
    turns.count(Membership, "forget_fleet", "forgotten")
    async with breaker:
        await until(lambda: breaker.sync_status().state == "connected")
        await settled(breaker)
        assert turns.total("forgotten") == len(KEYS)
        assert turns.most("forgotten") <= PREPARED
        assert all(breaker.state(key) == "OPEN" for key in KEYS)
    check(turns)


async def test_a_change_amid_the_preparations_of_a_start_is_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with breaker:
        open_all(breaker)
        await settled(breaker)
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0)  # it has begun
    session = session_of(breaker)
    assert all(asyncio_task_of(task) is None for task in tasks_of(session))
    ways = [breaker.reset(KEYS[0]), breaker.reset(KEYS[-1])]
    assert await asyncio.gather(*ways) == ["fleet", "fleet"]
    await start
    await until(lambda: server.hash(KEYS[0])["state"] == server.hash(KEYS[-1])["state"] == "CLOSED")
    assert breaker.state(KEYS[0]) == breaker.state(KEYS[-1]) == "CLOSED"
    await breaker.stop()


async def test_a_stop_amid_the_preparations_of_a_start_starts_nothing(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with breaker:
        open_all(breaker)
        await settled(breaker)
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0)
    session = session_of(breaker)
    await breaker.stop()
    await start
    assert all(asyncio_task_of(task) is None and task.is_over for task in tasks_of(session))
    assert breaker.sync_status().state == "disabled"


async def test_a_repair_of_open_circuits_holds_up_nobody(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server, 1, CONFIG) as (one,):
        open_all(one)
        await settled(one)
        turns = count(monkeypatch)
        session = session_of(one)
        session.exchange.rereading.repair()
        wake(session)
        await until(lambda: turns.total("visited") == len(KEYS))
        await settled(one)
    check(turns)


async def test_circuits_that_all_open_at_once_hold_up_neither_their_instance_nor_another(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        for key in KEYS:
            b.circuit(key)
        await settled(a, b)
        turns = count(monkeypatch)
        open_all(a)
        await until(lambda: all(b.state(key) == "OPEN" for key in KEYS))
        await settled(a, b)
        assert turns.total("heard") >= len(KEYS)
    check(turns, 2)


async def test_a_newcomer_knows_everything_that_is_open_before_it_serves(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server, 1, CONFIG) as (a,):
        open_all(a)
        await settled(a)
        turns = count(monkeypatch)
        async with fleet(server, 1, CONFIG) as (b,):  # it has none of them
            await until(lambda: b.sync_status().state == "connected")
            assert all(b.state(key) == "OPEN" for key in KEYS)
    check(turns, 2)


async def test_a_server_that_has_forgotten_all_is_told_everything_without_a_hold_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.heartbeat.BEAT_EVERY", 0.1)
    async with fleet(server, 1, CONFIG) as (one,):
        open_all(one)
        await settled(one)
        turns = count(monkeypatch)
        server.ask.flushdb()
        await until(lambda: all(server.hash(key).get("state") == "OPEN" for key in KEYS))
    check(turns)


async def test_messages_are_heard_while_all_is_read_again(server: Server) -> None:
    async with fleet(server, 2, CONFIG) as (a, b):
        for key in KEYS:
            b.circuit(key)
        await settled(a, b)
        session = session_of(b)
        session.exchange.read_all()
        wake(session)
        last = a.circuit(KEYS[-1])  # in the row
        inside.settle(last, inside.admit(last), FAILURE)
        await until(lambda: b.state(KEYS[-1]) == "OPEN")
        await settled(a, b)
        assert b.state(KEYS[-1]) == "OPEN"


async def test_a_stop_while_all_is_read_ends_it(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    for key in KEYS:
        breaker.circuit(key)
    start = asyncio.create_task(breaker.start())
    await until(lambda: breaker.sync_status().sent > BATCH)
    await breaker.stop()
    await start
    assert breaker.sync_status().state == "disabled"
    async with breaker:  # and the next one reads everything again
        await until(lambda: breaker.sync_status().state == "connected")
        assert not inside.sync_of(breaker).lag.unread


async def test_what_many_calls_have_left_is_sent_before_a_stop(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.session._WAIT_TO_DRAIN", PATIENCE)
    async with fleet(server, 1, CONFIG) as (one,):
        for key in KEYS:
            one.circuit(key)
        await settled(one)
        open_all(one)  # and stop, before the loop has had a turn
    assert all(server.hash(key).get("state") == "OPEN" for key in KEYS)
