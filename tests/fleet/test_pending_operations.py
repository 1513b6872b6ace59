"""Which orders of operators the fleet has not taken yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet.pending_operations import PendingOperations

from .instances import CONFIG, fail, fleet, settled, until

if TYPE_CHECKING:
    from .proxy import Proxy
    from .server import Server

KEY = "inventory-api"


def test_each_kind_of_order_waits_for_itself() -> None:
    orders = PendingOperations()
    orders.note("a", "reset", "1")
    orders.note("b", "override", "2")
    orders.note("a", "override", "3")
    assert orders.keys() == ("a", "b")
    orders.taken("a", "reset", "1")
    assert orders.keys() == ("b", "a")
    orders.taken("a", "override", "3")
    orders.taken("b", "override", "2")
    assert orders.keys() == ()


def test_a_later_order_is_not_taken_with_an_earlier_one() -> None:
    orders = PendingOperations()
    orders.note("a", "reset", "1")
    orders.note("a", "reset", "2")
    orders.taken("a", "reset", "1")
    assert orders.keys() == ("a",)
    orders.taken("a", "reset", "2")
    orders.taken("a", "reset", "2")  # as a repeated answer does
    assert orders.keys() == ()


async def test_what_is_queued_is_told_until_the_fleet_has_it(server: Server, link: Proxy) -> None:
    beyond = HybridBreaker(redis=link.url, defaults=CONFIG)
    async with beyond, fleet(server, 1) as (other,):
        assert await other.reset(KEY) == "fleet"
        assert other.sync_status().orders == ()
        link.hold()
        assert await beyond.reset(KEY) == "queued"
        assert await beyond.clear_override("prices") == "queued"
        await until(lambda: beyond.sync_status().state == "isolated")
        assert beyond.sync_status().orders == (KEY, "prices")
        link.release()
        link.cut()
        await until(lambda: beyond.sync_status().state == "connected")
        assert beyond.sync_status().orders == ()  # all of it before it is connected again


async def test_a_start_after_a_reset_that_was_never_sent_takes_up_what_the_fleet_has(
    server: Server, link: Proxy
) -> None:
    beyond = HybridBreaker(redis=link.url, defaults=CONFIG)
    async with fleet(server, 1) as (other,):
        async with beyond:
            await fail(other, KEY)
            await until(lambda: beyond.state(KEY) == "OPEN")
            link.hold()
            assert await beyond.reset(KEY) == "queued"
            assert beyond.state(KEY) == "CLOSED"
        link.cut()  # before it is released: what it holds back must not get there
        await until(lambda: link.cuts == 1)
        link.release()
        async with beyond:
            await until(lambda: beyond.state(KEY) == "OPEN")
            assert beyond.stats(KEY).version == other.stats(KEY).version


async def test_what_redis_refuses_is_not_taken_until_it_is_ordered_anew(server: Server) -> None:
    async with fleet(server, 1) as (breaker,):
        server.ask.lpush(f"circuit:{KEY}", "somebody's list")
        assert await breaker.reset(KEY) == "queued"
        await settled(breaker)
        assert breaker.sync_status().orders == (KEY,)
        server.ask.delete(f"circuit:{KEY}")
        assert await breaker.reset(KEY) == "fleet"
        assert breaker.sync_status().orders == ()
