"""A process that begins to use a circuit which the fleet has known, and closed, before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState

from .instances import CONFIG, fail, fleet, settled, succeed, until
from .player import Player

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"


async def closed_before(server: Server) -> None:
    """Leave a CLOSED hash behind, written two seconds ago by the server's clock."""
    async with fleet(server, 1, CONFIG) as (a,):
        await fail(a, KEY)
        await a.reset(KEY)
    stored = server.hash(KEY)
    assert stored["state"] == "CLOSED"
    at = int(stored["at"]) - 2_000
    server.ask.hset(f"circuit:{KEY}", "at", str(at))


async def test_a_new_process_opens_at_once_by_what_it_meets(server: Server) -> None:
    await closed_before(server)
    async with fleet(server, 1, CONFIG) as (b,):
        await fail(b, KEY)  # before the first word on the circuit has come
        assert b.state(KEY) is CircuitState.OPEN
        await until(lambda: server.hash(KEY)["state"] == "OPEN")
        await settled(b)
        assert b.state(KEY) is CircuitState.OPEN
        with pytest.raises(CircuitOpenError):
            await succeed(b, KEY)


async def test_its_first_failures_are_not_lost(server: Server) -> None:
    await closed_before(server)
    async with fleet(server, 1, CONFIG) as (b,):
        await fail(b, KEY, 2)
        await until(lambda: b.stats(KEY).version > 0)
        assert b.stats(KEY).failures == 2
        await fail(b, KEY, 1)
        assert b.state(KEY) is CircuitState.OPEN


async def test_a_reset_after_its_trip_counts(server: Server) -> None:
    await closed_before(server)
    async with fleet(server, 2, CONFIG) as (a, b):
        await fail(b, KEY)
        await until(lambda: a.state(KEY) is CircuitState.OPEN)
        await a.reset(KEY)
        await until(lambda: b.state(KEY) is CircuitState.CLOSED)
        await settled(a, b)
        assert a.state(KEY) is b.state(KEY) is CircuitState.CLOSED


def test_a_change_refused_for_what_is_read_meanwhile_is_proposed_again(server: Server) -> None:
    a, b = Player(server, "aaaa"), Player(server, "bbbb")
    a.fail()
    a.send()
    a.reset()
    a.send()
    server.ask.hset(f"circuit:{KEY}", "at", str(int(server.hash(KEY)["at"]) - 5_000))
    b.fail()
    change = b.take()
    refusal = b.deliver(change)
    b.agenda.read(KEY)
    read = b.take()
    b.answer(read, b.deliver(read))
    b.answer(change, refusal)
    b.send()
    assert b.state is CircuitState.OPEN
    assert server.hash(KEY)["state"] == "OPEN"
    a.close()
    b.close()
