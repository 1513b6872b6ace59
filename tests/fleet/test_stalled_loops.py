"""Event loops that stand still, and servers that are silent meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.fleet.subscriber import Silence

from .instances import fail, fleet, hush, settled, until
from .links import sync
from .sessions import session_of

if TYPE_CHECKING:
    from .server import Server


KEY = "inventory-api"

HANG = 30.0
"""A bound against hanging; what is promised is a few seconds."""


# -- our own event loop stands still ----------------------------------------------------------


@pytest.mark.parametrize("seconds", [2.4, 4.0])
async def test_a_stall_of_our_own_loop_is_not_the_servers_fault(
    server: Server, seconds: float
) -> None:
    async with fleet(server, 2) as (a, b):
        for number in range(50):
            a.circuit(f"{KEY}-{number}")
        await settled(a, b)
        hush(a, b)
        before = a.sync_status()
        session = session_of(a)
        read: list[str] = []
        session.exchange.read_all = lambda: read.append("all")  # type: ignore[method-assign]
        change = asyncio.create_task(fail(b, KEY))  # a round trip is under way
        await asyncio.sleep(0)
        time.sleep(seconds)  # noqa: ASYNC251 - that is what it is about
        await change
        await until(lambda: a.sync_status().received > before.received)
        await settled(a, b)
        assert (a.sync_status().state, a.sync_status().since) == ("connected", before.since)
        assert b.sync_status().error is None
        assert read == []


async def test_a_server_that_hangs_is_noticed_by_a_loop_that_stalls_again_and_again(
    server: Server,
) -> None:
    async with fleet(server, 1) as (a,):
        server.hang()
        async with asyncio.timeout(HANG):
            while sync(a) == "connected":
                time.sleep(0.6)  # noqa: ASYNC251 - as above
                await asyncio.sleep(0.01)
        server.resume()
        await until(lambda: sync(a) == "connected")


def test_a_late_look_counts_little_and_the_next_one_decides() -> None:
    now = 0.0
    silence = Silence(lambda: now)
    now += 2.4 + 0.25
    silence.note(None)  # what has come meanwhile is still to be read
    now += 0.01
    silence.note({"type": "pong"})
    for _ in range(9):
        now += 0.25
        silence.note(None)
    now += 0.5
    with pytest.raises(TimeoutError, match="nothing heard"):
        silence.note(None)


def test_pongs_without_a_message_are_silence_after_a_while() -> None:
    now = 0.0
    silence = Silence(lambda: now)
    with pytest.raises(TimeoutError, match="no message"):
        for _ in range(100):
            now += 0.25
            silence.note({"type": "pong"} if _ % 2 else None)
    assert now == pytest.approx(15.25)
