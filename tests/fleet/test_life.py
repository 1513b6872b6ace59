"""Starts and stops, event loops, forks, clients that were passed in, and permissions."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis.asyncio
from redis.asyncio.sentinel import Sentinel

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.core.peers import Peers
from fastapi_hybrid_breaker.fleet.connection import Source
from fastapi_hybrid_breaker.fleet.server_view import ServerView
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .instances import CONFIG, fail, fleet, settled, until
from .sessions import session_of

if TYPE_CHECKING:
    from .server import Server


async def test_start_is_counted_and_the_last_stop_ends_it(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    instance = breaker.sync_status().instance
    await breaker.start()
    assert breaker.sync_status().instance == instance
    await breaker.stop()
    assert breaker.sync_status().state == "connected"
    await breaker.stop()
    assert breaker.sync_status().state == "disabled"
    await breaker.stop()  # one too many is harmless
    await breaker.start()
    assert breaker.sync_status().instance not in {"", instance}
    await breaker.stop()


async def test_second_event_loop_works_on_memory_only(server: Server) -> None:
    async with fleet(server, 1) as (a,):

        async def elsewhere() -> str:
            async with a:
                await fail(a, "inventory-api")
                return await a.reset("other")

        instance = a.sync_status().instance
        assert await asyncio.to_thread(asyncio.run, elsewhere()) == "fleet"
        assert a.sync_status().instance == instance
        assert a.state("inventory-api") == "OPEN"
        await until(lambda: server.hash("inventory-api").get("state") == "OPEN")


async def test_change_in_a_thread_reaches_the_fleet(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit("inventory-api")

        def broken() -> None:
            raise ConnectionError

        def work() -> None:
            for _ in range(3):
                with pytest.raises(ConnectionError):
                    a.circuit("inventory-api").call_sync(broken)

        thread = threading.Thread(target=work)
        thread.start()
        await until(lambda: b.state("inventory-api") == "OPEN")
        thread.join()


def test_loop_that_ended_without_a_stop_does_not_block_the_next_start(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    asyncio.run(breaker.start())

    async def again() -> str:
        async with breaker:
            return breaker.sync_status().state

    assert asyncio.run(fail(breaker, "inventory-api")) is None  # its loop is closed: tolerated
    assert asyncio.run(again()) == "connected"


async def test_client_that_was_passed_in_is_neither_used_nor_closed(server: Server) -> None:
    client = redis.asyncio.Redis(port=server.port, decode_responses=True)
    breaker = HybridBreaker(redis=client, defaults=CONFIG)
    async with breaker, fleet(server, 1) as (other,):
        other.circuit("inventory-api")
        assert breaker.sync_status().state == "connected"
        await fail(breaker, "inventory-api")
        await until(lambda: other.state("inventory-api") == "OPEN")
    assert await client.ping()
    await client.aclose()


def test_sentinels_clients_are_understood() -> None:
    master = Sentinel([("127.0.0.1", 1)]).master_for("orders", password="hunter2")  # noqa: S106
    source = Source(master)
    assert str(source) == "service 'orders' by Sentinel"
    assert source.client().connection_pool.service_name == "orders"


def test_unix_socket_is_named_without_credentials() -> None:
    assert str(Source("unix://u:hunter2@/run/redis.sock?db=2")) == (
        "unix socket /run/redis.sock, database 2"
    )


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_child_of_a_fork_keeps_states_and_leaves_the_lane_to_the_parent(
    server: Server,
) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, "inventory-api")
        await settled(a)
        child = os.fork()
        if child == 0:  # pragma: no cover - measured in the parent only
            good = a.state("inventory-api") == "OPEN" and a.sync_status().state == "disabled"
            inside.reset_here(a.circuit("inventory-api"))
            os._exit(0 if good and a.state("inventory-api") == "CLOSED" else 1)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert a.state("inventory-api") == "OPEN"
        assert a.sync_status().state == "connected"


def test_after_fork_forgets_the_session(server: Server) -> None:
    async def main() -> None:
        async with fleet(server, 1) as (a,):
            session = session_of(a)
            inside.after_fork_of(a)
            assert a.sync_status().state == "disabled"
            await session.stop()

    asyncio.run(main())


async def test_peek_reads_what_this_process_does_not_know(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(a, "inventory-api")
        await settled(a, b)
        inside.registry_of(b).by_key.clear()
        found = await b.look_up("inventory-api")
        assert found is not None
        assert found.stats.state == "OPEN"
        assert 0 < found.stats.retry_after <= 30
        assert found.stats.next_attempt is not None
        assert found.stats.next_attempt > time.time()
        assert await b.look_up("nowhere") is None
        assert list(b.circuits()) == []
        server.hang()
        assert await b.look_up("nowhere else") is None  # not answered: not known
        server.resume()


@pytest.mark.every_server
async def test_the_permissions_that_are_documented_are_enough(server: Server) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    line = next(one for one in readme.splitlines() if one.startswith("ACL SETUSER shop "))
    server.ask.execute_command(*line.split())
    url = server.url.replace("redis://", "redis://shop:secret@")
    async with fleet(server, 1) as (other,):
        breaker = HybridBreaker(redis=url, defaults=CONFIG)
        async with breaker:
            other.circuit("inventory-api")
            await fail(breaker, "inventory-api")
            await until(lambda: other.state("inventory-api") == "OPEN")
            assert await breaker.reset("inventory-api") == "fleet"
            assert breaker.sync_status().state == "connected"
    server.ask.execute_command("ACL", "DELUSER", "shop")


def test_server_clock_keeps_the_best_sample_until_one_contradicts_it() -> None:
    clock = ManualClock(5.0)
    server = ServerView(clock, Peers())

    def now_at(moment: float) -> float | None:
        clock.advance(moment - clock())
        return server.now()

    assert now_at(5.0) is None
    server.sample(10.0, 10.2, 1000.1)
    assert now_at(11.0) == pytest.approx(1001.0)
    server.sample(20.0, 20.02, 1010.05)  # shorter: better
    assert now_at(20.0) == pytest.approx(1010.04)
    server.sample(30.0, 30.5, 1020.1)  # longer and consistent: no news
    assert now_at(30.0) == pytest.approx(1020.04)
    server.sample(40.0, 40.5, 730.0)  # the server's clock was set back
    assert now_at(40.0) == pytest.approx(729.75)
    server.forget_time()
    assert now_at(40.0) is None
