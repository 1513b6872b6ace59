"""Circuits that nobody calls any more, in a fleet; and whose keys fill the registry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError
from tests import inside
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, probe, settled, succeed, until
from .sessions import session_of, wake

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import HybridBreaker

    from .server import Server

pytestmark = pytest.mark.usefixtures("unhurried_answers")

KEY = "inventory-api"

QUICK = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=0.2)


def is_ready(breaker: HybridBreaker) -> bool:
    return breaker.stats(KEY).ready_to_probe


async def test_an_idle_circuit_is_ready_to_probe_everywhere_and_open_in_redis(
    server: Server,
) -> None:
    async with fleet(server, circuits={KEY: QUICK}) as (a, b):
        await fail(a, KEY)
        await until(lambda: is_ready(a) and is_ready(b))
        for breaker in (a, b):
            assert breaker.state(KEY) == "OPEN"
            assert (breaker.health().status, breaker.health().open) == ("ok", ())
            assert breaker.health().ready_to_probe == (KEY,)
        assert server.hash(KEY)["state"] == "OPEN"
        async with fleet(server, 1) as (newcomer,):
            await until(lambda: is_ready(newcomer))
        await probe(b, KEY)
        await until(lambda: a.state(KEY) == b.state(KEY) == "CLOSED")
        assert not is_ready(a)
        assert not is_ready(b)


async def test_who_does_not_know_it_reads_that_it_is_idle(server: Server) -> None:
    async with fleet(server, circuits={KEY: QUICK}) as (a, _):
        await fail(a, KEY)
        await until(lambda: is_ready(a))
        await settled(a)
        async with fleet(server, 1, max_circuits=1) as (full,):
            held = full.circuit("held")
            await settled(full)
            assert inside.registry_of(full).get(KEY) is None
            async with asyncio.timeout(PATIENCE):  # its idea of the server's time may be behind
                while True:
                    found = await full.look_up(KEY)
                    assert found is not None
                    assert found.stats.state == "OPEN"
                    if found.stats.ready_to_probe:
                        break
            del held


async def test_the_others_are_told_that_it_is_idle(server: Server) -> None:
    async with fleet(server, circuits={KEY: QUICK}) as (a, b):
        await fail(a, KEY)
        await until(lambda: is_ready(a))
        session = session_of(a)
        session.exchange.heartbeat.beat()
        wake(session)
        await settled(a)
        told = {one.id: one for one in await b.instances() or ()}[
            inside.sync_of(a).instance
        ].circuits
        assert told is not None
        assert (told[KEY].state, told[KEY].ready_to_probe) == ("OPEN", True)


async def test_a_circuit_that_was_forgotten_is_open_again_when_it_is_used(server: Server) -> None:
    """What made room for others is not lost to the fleet."""
    async with fleet(server, 1, circuits={"*": QUICK}, max_circuits=2) as (breaker,):
        await fail(breaker, KEY)
        await until(lambda: is_ready(breaker))
        await settled(breaker)
        held = [breaker.circuit(f"other-{number}") for number in range(2)]
        assert inside.registry_of(breaker).get(KEY) is None
        held.clear()
        breaker.circuit(KEY)
        await until(lambda: is_ready(breaker))


async def test_openings_of_another_service_leave_the_keys_used_here_their_room(
    server: Server,
) -> None:
    long = CircuitConfig(failure_threshold=1, recovery_timeout=3600)
    async with fleet(server, 1, long) as (theirs,):
        for number in range(60):
            await fail(theirs, f"theirs-{number}", times=1)
        await settled(theirs)
        options = {"circuits": {"declared": CONFIG}, "max_circuits": 20}
        async with fleet(server, 1, **options) as (ours,):
            await until(lambda: len(inside.registry_of(ours)) == 20)
            for key in ("declared", *(f"ours-{number}" for number in range(10))):
                await fail(ours, key)
                with pytest.raises(CircuitOpenError):
                    await succeed(ours, key)
            assert len(inside.registry_of(ours)) == 20


async def test_an_operator_is_told_fleet_where_it_is_in_force_here_too(server: Server) -> None:
    long = CircuitConfig(failure_threshold=1, recovery_timeout=3600)
    async with fleet(server, 1, long, max_circuits=5) as (breaker,):
        for number in range(5):
            await fail(breaker, f"dead-{number}", times=1)
        done = await breaker.override(KEY, "forced_open", by="ann", reason="x", seconds=60.0)
        assert done == "fleet"
        with pytest.raises(CircuitOpenError):
            await succeed(breaker, KEY)
        await succeed(breaker, "a stranger")
