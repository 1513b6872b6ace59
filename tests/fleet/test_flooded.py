"""A service whose registry is full of circuits that another one shares in the same namespace."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from tests import inside

from .instances import CONFIG, fail, probe, settled, succeed, until
from .player import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .server import Server

pytestmark = [pytest.mark.every_server, pytest.mark.usefixtures("unhurried_answers")]

ROOM = 20
FLOOD = 100


@contextlib.asynccontextmanager
async def flooded(server: Server) -> AsyncIterator[tuple[HybridBreaker, HybridBreaker]]:
    """Start a service with room for few circuits, and one that has many open ones."""
    small = HybridBreaker(
        redis=server.url, defaults=CONFIG, circuits={KEY: CONFIG}, max_circuits=ROOM
    )
    big = HybridBreaker(redis=server.url, defaults=CONFIG)
    async with small, big:
        for number in range(FLOOD):
            await fail(big, f"host-{number}")
        await settled(small, big)
        await until(lambda: len(inside.registry_of(small)) == ROOM, "the small one is full")
        yield small, big


async def rejects(breaker: HybridBreaker, key: str) -> bool:
    try:
        await succeed(breaker, key)
    except CircuitOpenError:
        return True
    return False


async def test_declared_circuits_are_protected(server: Server) -> None:
    async with flooded(server) as (small, _):
        assert not await rejects(small, KEY)
        await fail(small, KEY)
        assert await rejects(small, KEY)


async def test_a_key_that_is_used_is_protected(server: Server) -> None:
    async with flooded(server) as (small, _):
        assert not await rejects(small, "used here")
        await fail(small, "used here")
        assert await rejects(small, "used here")
        assert len(inside.registry_of(small)) <= ROOM


@pytest.mark.parametrize("key", [KEY, "host-7", "never used"])
async def test_an_override_that_is_answered_with_fleet_is_in_force_here_and_there(
    server: Server, key: str
) -> None:
    async with flooded(server) as (small, big):
        big.circuit(key)
        for kind, expected in (("forced_open", True), ("disabled", False)):
            reach = await small.override(key, kind, by="ann", reason="a test", seconds=None)
            assert reach == "fleet"
            assert await rejects(small, key) is expected
            await until(lambda k=kind: big.stats(key).override.kind == k)
            assert await rejects(big, key) is expected


async def test_an_override_over_http_is_in_force_in_the_process_that_answers(
    server: Server,
) -> None:
    async with flooded(server) as (small, _):
        app = FastAPI()
        app.include_router(small.admin_router(auth=None), prefix="/circuits")
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://testserver"
        )
        async with client:
            order = {"kind": "forced_open", "reason": "a test", "seconds": 60, "by": "ann"}
            answer = await client.put("/circuits/never used/-/override", json=order)
            assert (answer.status_code, answer.headers["x-circuit-override"]) == (204, "fleet")
        assert await rejects(small, "never used")


async def test_an_override_set_elsewhere_is_in_force_once_its_key_is_used(server: Server) -> None:
    async with flooded(server) as (small, big):
        await big.override("unknown to it", "forced_open", by="ann", reason="t", seconds=None)
        await settled(small, big)
        assert (
            inside.registry_of(small).get("unknown to it") is None
        )  # no room for what is only heard of
        small.circuit("unknown to it")
        await settled(small)
        assert await rejects(small, "unknown to it")


async def test_a_mode_set_elsewhere_is_in_force_once_its_key_is_used(server: Server) -> None:
    async with flooded(server) as (small, big):
        await big.override("unknown to it", "shadow", by="ann", reason="t", seconds=None)
        await settled(small, big)
        small.circuit("unknown to it")
        await settled(small)
        assert small.stats("unknown to it").mode == "shadow"


async def test_openings_heard_of_make_room_for_a_recovery_of_our_own(server: Server) -> None:
    quick = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=0.05)
    async with flooded(server) as (small, _):
        small.circuit("quick", quick)
        await fail(small, "quick")
        await until(lambda: small.stats("quick").retry_after == 0.0)
        await probe(small, "quick")
        assert small.state("quick") == "CLOSED"
