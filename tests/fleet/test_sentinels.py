"""Redis by Sentinel, with sentinels that hang, and objects of the caller's in two event loops."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet.connection import Source
from fastapi_hybrid_breaker.fleet.sentinels import NoSuchServiceError

from .instances import CONFIG, fail, fleet, until
from .links import sync
from .sentinels import SERVICE, SentinelProcess
from .server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from .server import Server

KEY = "inventory-api"

HANG = 30.0
"""A bound against hanging; what is promised is a few seconds, and redis-py would take a minute."""


@pytest.fixture
def pair(server: Server, tmp_path: Path) -> Iterator[tuple[SentinelProcess, SentinelProcess]]:
    with SentinelProcess(server, tmp_path) as a, SentinelProcess(server, tmp_path) as b:
        yield a, b


def manager_of(*sentinels: SentinelProcess, **options: object) -> Sentinel:
    return Sentinel([one.address for one in sentinels], **options)


def client_of(*sentinels: SentinelProcess, name: str = SERVICE) -> Redis:
    client: Redis = manager_of(*sentinels).master_for(name)
    return client


def cut(server: Server) -> None:
    """End all connections but this one's; whoever wants to go on has to ask a sentinel."""
    for kind in ("normal", "pubsub"):
        server.ask.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


async def test_first_sentinel_hangs_and_the_second_one_says_where_the_primary_is(
    server: Server, pair: tuple[SentinelProcess, SentinelProcess]
) -> None:
    breaker = HybridBreaker(redis=client_of(*pair), defaults=CONFIG)
    pair[0].hang()
    async with asyncio.timeout(HANG), breaker:
        await until(lambda: sync(breaker) == "connected")
        before = breaker.sync_status().since
        cut(server)
        await until(lambda: breaker.sync_status().since > before)
        await until(lambda: sync(breaker) == "connected")
        async with fleet(server, 1) as (other,):
            other.circuit(KEY)
            await fail(breaker, KEY)
            await until(lambda: other.state(KEY) == "OPEN")


async def test_connection_lost_while_all_sentinels_hang_is_isolation_and_ends_with_the_first_answer(
    server: Server, pair: tuple[SentinelProcess, SentinelProcess]
) -> None:
    breaker = HybridBreaker(redis=client_of(*pair), defaults=CONFIG)
    async with breaker:
        await until(lambda: sync(breaker) == "connected")
        for one in pair:
            one.hang()
        cut(server)
        async with asyncio.timeout(HANG):
            await until(lambda: sync(breaker) == "isolated")
            assert breaker.health().status == "degraded"
            await until(lambda: "2 of 2 did not answer" in (breaker.sync_status().error or ""))
            pair[1].resume()
            await until(lambda: sync(breaker) == "connected")
        assert breaker.sync_status().error is None


async def test_start_while_all_sentinels_hang_serves_alone_and_joins_later(
    pair: tuple[SentinelProcess, SentinelProcess],
) -> None:
    breaker = HybridBreaker(redis=client_of(*pair), defaults=CONFIG)
    for one in pair:
        one.hang()
    async with asyncio.timeout(HANG), breaker:
        assert sync(breaker) == "isolated"
        await fail(breaker, KEY)
        assert breaker.state(KEY) == "OPEN"
        pair[0].resume()
        await until(lambda: sync(breaker) == "connected")


async def test_a_sentinel_that_is_not_there_costs_nothing(
    server: Server, pair: tuple[SentinelProcess, SentinelProcess]
) -> None:
    manager = Sentinel([("127.0.0.1", free_port()), pair[0].address, pair[1].address])
    async with HybridBreaker(redis=manager.master_for(SERVICE)) as breaker:
        await until(lambda: sync(breaker) == "connected")


def test_module_level_sentinel_works_in_a_second_event_loop_and_is_not_used_itself(
    server: Server, pair: tuple[SentinelProcess, SentinelProcess]
) -> None:
    manager = manager_of(*pair)
    breaker = HybridBreaker(redis=manager.master_for(SERVICE), defaults=CONFIG)

    async def serve() -> str:
        async with breaker:
            await until(lambda: sync(breaker) == "connected")
            await fail(breaker, KEY)
            return await breaker.reset(KEY)

    assert [asyncio.run(serve()), asyncio.run(serve())] == ["fleet", "fleet"]
    used = [one.connection_pool for one in manager.sentinels]
    assert [len(pool._available_connections) for pool in used] == [0, 0]

    async def own_use() -> tuple[str, int]:
        async with contextlib.aclosing(manager):
            found: tuple[str, int] = await manager.discover_master(SERVICE)
            return found

    assert asyncio.run(own_use()) == ("127.0.0.1", server.port)


async def test_service_that_no_sentinel_knows_is_named(
    pair: tuple[SentinelProcess, SentinelProcess], caplog: pytest.LogCaptureFixture
) -> None:
    async with HybridBreaker(redis=client_of(*pair, name="order")) as breaker:
        await until(lambda: "knows the service 'order'" in (breaker.sync_status().error or ""))
    assert [one.levelname for one in caplog.records if "'order'" in one.getMessage()] == ["ERROR"]


async def test_sentinels_that_see_too_few_others_do_not_count(
    server: Server, pair: tuple[SentinelProcess, SentinelProcess]
) -> None:
    manager = manager_of(*pair, min_other_sentinels=5)
    client = Source(manager.master_for(SERVICE)).client()
    with pytest.raises(MasterNotFoundError, match="0 of 2 did not answer"):
        await client.ping()
    await client.aclose()
    manager = manager_of(*pair, force_master_ip="localhost")
    client = Source(manager.master_for(SERVICE)).client()
    assert await client.ping()
    await client.aclose()
    unknown = Source(manager_of(*pair).master_for("order")).client()
    with pytest.raises(NoSuchServiceError):
        await unknown.ping()
    await unknown.aclose()
