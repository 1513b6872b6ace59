"""Scope and quorum: whom an opening binds, on a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitConfig, FailureRate, HybridBreaker, TimeWindow
from tests import inside

from .instances import fail, fleet, probe, settled, succeed, until

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"


def config(**more: Any) -> CircuitConfig:
    return CircuitConfig(**{"failure_threshold": 3, "recovery_timeout": 30.0, **more})


async def ready(*breakers: HybridBreaker) -> None:
    """Wait until all know the circuit, and each other."""
    for breaker in breakers:
        breaker.circuit(KEY)
    await settled(*breakers)
    for breaker in breakers:
        await until(lambda b=breaker: inside.peers_of(b).live == len(breakers))


async def open_at(breaker: HybridBreaker) -> set[str]:
    view = await breaker.look_up(KEY)
    assert view is not None
    return set(view.open_at)


async def test_one_sick_instance_in_ten_opens_for_itself_alone(server: Server) -> None:
    async with fleet(server, 10, config(quorum=0.3)) as breakers:
        sick, *well = breakers
        await ready(*breakers)
        await fail(sick, KEY)
        assert sick.state(KEY) == "OPEN"
        await settled(sick)
        assert {breaker.state(KEY) for breaker in well} == {"CLOSED"}
        assert sick.stats(KEY).alone
        assert await open_at(well[0]) == {sick.sync_status().instance}
        assert "state" not in server.hash(KEY)


async def test_when_enough_have_met_the_trouble_it_is_open_for_all(server: Server) -> None:
    async with fleet(server, 10, config(quorum=0.3)) as breakers:
        await ready(*breakers)
        for breaker in breakers[:2]:
            await fail(breaker, KEY)
            await settled(breaker)
        assert {breaker.state(KEY) for breaker in breakers[2:]} == {"CLOSED"}
        await fail(breakers[2], KEY)
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN" and not b.stats(KEY).alone)
        await settled(*breakers)
        versions = {breaker.stats(KEY).version for breaker in breakers}
        assert versions == {int(server.hash(KEY)["version"])}


async def test_instances_whose_failures_join_in_one_run_are_a_quorum(server: Server) -> None:
    async with fleet(server, 4, config(failure_threshold=4, quorum=2)) as breakers:
        await ready(*breakers)
        await asyncio.gather(*(fail(breaker, KEY, times=2) for breaker in breakers[:2]))
        for breaker in breakers:
            await until(lambda b=breaker: b.state(KEY) == "OPEN" and not b.stats(KEY).alone)


async def test_a_count_of_more_instances_than_live_means_all_of_them(server: Server) -> None:
    async with fleet(server, 2, config(quorum=5)) as (a, b):
        await ready(a, b)
        await fail(a, KEY)
        await settled(a)
        assert b.state(KEY) == "CLOSED"
        await fail(b, KEY)
        await until(lambda: not a.stats(KEY).alone and not b.stats(KEY).alone)
        assert a.state(KEY) == b.state(KEY) == "OPEN"


async def test_an_opening_of_one_alone_ends_there_and_is_told_of_no_more(server: Server) -> None:
    lone = config(quorum=2, recovery_timeout=0.1, success_threshold=1)
    async with fleet(server, 3, lone) as (a, b, c):
        await ready(a, b, c)
        await fail(a, KEY)
        await settled(a)
        assert await open_at(b) == {a.sync_status().instance}
        await until(lambda: a.stats(KEY).retry_after == 0)
        await probe(a, KEY)  # by itself: nobody else needs to know
        assert a.state(KEY) == "CLOSED"
        await settled(a)
        assert await open_at(b) == set()
        await fail(b, KEY)
        await settled(b)
        assert c.state(KEY) == "CLOSED"  # one vote, not two


async def test_a_reset_ends_what_is_open_at_one_alone(server: Server) -> None:
    async with fleet(server, 3, config(quorum=2)) as (a, b, c):
        await ready(a, b, c)
        await fail(a, KEY)
        await settled(a)
        await b.reset(KEY)
        await until(lambda: a.state(KEY) == "CLOSED")
        await settled(a)
        assert await open_at(c) == set()


async def test_a_merged_rate_opens_for_itself_only_who_sees_the_trouble(server: Server) -> None:
    rule = FailureRate(0.1, window=TimeWindow(20.0), minimum_calls=20)
    quorate = CircuitConfig(trip=rule, recovery_timeout=30.0, quorum=2)
    async with fleet(server, 3, quorate) as (sick, *well):
        await ready(sick, *well)
        for breaker in well:
            await succeed(breaker, KEY, times=10)
        await fail(sick, KEY, times=10)  # a third of all calls, and nothing but failures here
        await until(lambda: sick.state(KEY) == "OPEN")
        await settled(sick, *well)
        assert sick.stats(KEY).alone
        assert {breaker.state(KEY) for breaker in well} == {"CLOSED"}


async def test_scope_instance_decides_for_itself_and_is_seen_by_all(server: Server) -> None:
    async with fleet(server, 3, config(scope="instance")) as (a, b, c):
        await ready(a, b, c)
        for breaker in (a, b):
            await fail(breaker, KEY)
        await settled(a, b)
        assert (a.state(KEY), b.state(KEY), c.state(KEY)) == ("OPEN", "OPEN", "CLOSED")
        assert await open_at(c) == {a.sync_status().instance, b.sync_status().instance}
        await c.reset(KEY)  # an operator means all
        await until(lambda: a.state(KEY) == b.state(KEY) == "CLOSED")


async def test_what_opened_alone_without_redis_counts_as_a_vote_on_its_return(
    server: Server,
) -> None:
    async with fleet(server, 2, config(quorum=2)) as (a, b):
        await ready(a, b)
        server.kill()
        await until(lambda: a.sync_status().state == b.sync_status().state == "isolated")
        await fail(a, KEY)
        await fail(b, KEY)
        assert a.stats(KEY).alone
        assert b.stats(KEY).alone
        server.start()
        await until(lambda: a.sync_status().state == b.sync_status().state == "connected")
        await until(lambda: not a.stats(KEY).alone and not b.stats(KEY).alone)
        assert a.state(KEY) == b.state(KEY) == "OPEN"
