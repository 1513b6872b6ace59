"""Which instances live, on a real server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet import heartbeat
from tests import inside

from .instances import CONFIG, cut_off, fleet, settled, until

if TYPE_CHECKING:
    from .server import Server


pytestmark = pytest.mark.usefixtures("unhurried_answers")


async def test_each_instance_is_listed_with_what_it_tells_of_itself(server: Server) -> None:
    async with fleet(server, 3) as breakers:
        found = await breakers[0].instances()
        assert found is not None
        assert [one.id for one in found] == [b.sync_status().instance for b in breakers]
        for one in found:
            assert one.host == socket.gethostname()
            assert one.sync == "connected"
            assert one.started <= one.last_seen + 1
            assert one.library


async def test_who_comes_and_who_goes_is_known_at_once(server: Server) -> None:
    async with fleet(server, 2) as (a, b):
        await until(lambda: inside.peers_of(a).live == inside.peers_of(b).live == 2)
        async with fleet(server, 1) as (c,):
            await until(lambda: inside.peers_of(a).live == inside.peers_of(b).live == 3)
            assert inside.peers_of(c).live == 3
        found = await a.instances()
        assert found is not None
        assert len(found) == 2


async def test_who_gives_no_sign_of_life_does_not_count_any_more(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "LOST_AFTER", 0.3)
    monkeypatch.setattr(heartbeat, "BEAT_EVERY", 0.1)
    async with fleet(server, 2) as (a, b):
        await until(lambda: inside.peers_of(a).live == 2)
        await cut_off(b)
        await until(lambda: inside.peers_of(a).live == 1)
        found = {one.id: one.sync for one in await a.instances() or ()}
        assert found[b.sync_status().instance] == "isolated"
        monkeypatch.setattr(heartbeat, "FORGOTTEN_AFTER", 0.3)

        async def gone() -> bool:
            return len(await a.instances() or ()) == 1

        while not await gone():
            pass


async def test_the_admin_page_lists_the_instances(server: Server) -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=server.url, defaults=CONFIG)
    app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
    transport = httpx2.ASGITransport(app)
    async with (
        breaker,
        fleet(server, 1) as (other,),
        httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await settled(other)
        said = (await client.get("/circuits/-/fleet")).json()
        assert [one["id"] for one in said["instances"]] == [
            breaker.sync_status().instance,
            other.sync_status().instance,
        ]
        assert set(said["instances"][0]) == {
            *("id", "host", "started", "last_seen", "sync", "library", "circuits", "more")
        }
        assert said["sync"]["state"] == "connected"
        server.kill()
        await until(lambda: breaker.sync_status().state == "isolated")
        said = (await client.get("/circuits/-/fleet")).json()
        assert said["instances"] == []
        assert said["sync"]["state"] == "isolated"


async def test_nonsense_in_the_list_is_left_out(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        for name, about in (
            ("x" * 70, "{}"),
            ("bad", "no json"),
            ("list", "[]"),
            ("deep", "[" * 3000),
            ("when", '{"started": "now"}'),
        ):
            server.ask.zadd("circuit#{live}", {name: 1e15})
            server.ask.hset("circuit#{live}:about", name, about)
        found = await a.instances()
        assert found is not None
        assert [one.id for one in found] == [a.sync_status().instance]
        assert a.sync_status().dropped == 5


async def test_a_list_that_is_something_else_does_no_harm(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        for name in ("circuit#{live}", "circuit#{live}:about"):
            server.ask.delete(name)
            server.ask.set(name, "a string")
        assert await a.instances() is None
        assert a.sync_status().state == "connected"
