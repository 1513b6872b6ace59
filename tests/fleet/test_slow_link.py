"""A link to the server that is slow, silent, torn or thin, as no server that is well can show."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker

from . import instances
from .instances import CONFIG, fail, fleet, settled, succeed
from .proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .server import Server

KEY = "inventory-api"
FLEETING = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=0.3)
until = partial(instances.until, deadline=15.0)
"""Generous: a link that is slow on purpose takes its time for every step."""


@pytest.fixture
def link(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def behind(
    link: Proxy, size: int = 1, defaults: CircuitConfig = CONFIG
) -> AsyncIterator[list[HybridBreaker]]:
    """Start instances that reach the server over ``link`` only."""
    async with fleet(link, size, defaults) as breakers:  # type: ignore[arg-type]
        for breaker in breakers:
            breaker.circuit(KEY)
        await until(lambda: all(sync(breaker) == "connected" for breaker in breakers))
        yield breakers


def sync(breaker: HybridBreaker) -> str:
    return breaker.sync_status().state


def all_are(state: str, *breakers: HybridBreaker) -> bool:
    return {breaker.state(KEY) for breaker in breakers} == {state}


async def calls_without_a_turn(breaker: HybridBreaker) -> None:
    """Make calls of every kind; none of them may give the loop a turn.

    Not timed but counted: what gives the loop no turn cannot have waited for anything.
    """
    turns: list[Any] = []
    asyncio.get_running_loop().call_soon(turns.append, "a turn")
    await succeed(breaker, KEY, 100)
    await fail(breaker, KEY)
    assert breaker.state(KEY) == "OPEN"
    for _ in range(100):
        with pytest.raises(CircuitOpenError):
            await succeed(breaker, KEY)
    assert turns == []


async def recovers(*breakers: HybridBreaker) -> None:
    """Call each one, again and again, until the circuit is closed for all of them."""
    async with asyncio.timeout(15):
        while not all_are("CLOSED", *breakers):
            for breaker in breakers:
                with contextlib.suppress(CircuitOpenError):
                    await succeed(breaker, KEY)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("delay", [0.05, 0.3])
async def test_a_trip_reaches_the_others_over_a_slow_link(link: Proxy, delay: float) -> None:
    link.delay(delay)
    async with behind(link, 3) as (a, *others):
        await fail(a, KEY)
        await until(lambda: all_are("OPEN", *others))
        assert {sync(breaker) for breaker in (a, *others)} == {"connected"}
        assert await others[0].reset(KEY) in {"fleet", "queued"}
        await until(lambda: all_are("CLOSED", a, *others))


@pytest.mark.parametrize("delay", [0.05, 0.3])
async def test_a_fleet_on_a_slow_link_recovers(link: Proxy, delay: float) -> None:
    link.delay(delay)
    async with behind(link, 2, FLEETING) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.stats(KEY).version == a.stats(KEY).version > 0 or all_are("OPEN", b))
        await recovers(a, b)


async def test_guarded_calls_are_done_while_the_link_holds_every_byte(link: Proxy) -> None:
    async with behind(link) as (a,):
        await settled(a)
        link.hold()
        passed = [way.passed for way in link.ways]
        await calls_without_a_turn(a)
        await until(lambda: link.to_server.held > 0, "the trip stands at the link's door")
        assert [way.passed for way in link.ways] == passed


async def test_a_black_hole_is_isolation_and_the_instance_decides_by_itself(
    link: Proxy, server: Server
) -> None:
    async with behind(link, 1, FLEETING) as (a,), fleet(server, 1, FLEETING) as (b,):
        await succeed(b, KEY)
        link.hold()
        passed = [way.passed for way in link.ways]
        await until(lambda: sync(a) == "isolated")
        await calls_without_a_turn(a)
        await recovers(a)
        assert sync(a) == "isolated"
        assert [way.passed for way in link.ways] == passed
        assert all_are("CLOSED", b)
        link.release()
        await until(lambda: sync(a) == "connected")
        await recovers(a, b)


async def test_what_was_decided_behind_a_black_hole_reaches_the_fleet_when_the_link_is_back(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await succeed(b, KEY)
        link.hold()
        await until(lambda: sync(a) == "isolated")
        await fail(a, KEY)
        assert all_are("OPEN", a)
        link.release()
        await until(lambda: all_are("OPEN", b))
        await until(lambda: sync(a) == "connected")
        assert all_are("OPEN", a, b)
        assert server.hash(KEY)["state"] == "OPEN"


async def test_an_instance_behind_a_black_hole_learns_on_its_return_that_others_tripped(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        link.hold()
        await fail(b, KEY)
        await settled(b)
        await until(lambda: sync(a) == "isolated")
        await succeed(a, KEY)  # nobody told it
        link.release()
        await until(lambda: all_are("OPEN", a, b))
        await until(lambda: a.stats(KEY).version == b.stats(KEY).version)


async def test_both_sides_of_a_black_hole_trip_and_agree_on_one_opening(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        link.hold()
        await fail(a, KEY)
        await fail(b, KEY)
        await settled(b)
        await until(lambda: sync(a) == "isolated")
        link.release()
        await until(lambda: sync(a) == "connected")
        await until(lambda: a.stats(KEY).version == b.stats(KEY).version > 0)
        assert all_are("OPEN", a, b)
        await a.reset(KEY)
        await until(lambda: all_are("CLOSED", a, b))


async def test_a_trip_whose_answer_never_comes_is_told_once(link: Proxy, server: Server) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await succeed(b, KEY)
        await settled(a, b)
        link.to_client.is_open = False
        await fail(a, KEY)
        await until(lambda: all_are("OPEN", b), "the trip went out")
        version = b.stats(KEY).version
        await until(lambda: sync(a) == "isolated")
        link.release()
        await until(lambda: sync(a) == "connected")
        await until(lambda: a.stats(KEY).version == b.stats(KEY).version)
        assert b.stats(KEY).version == version, "the repeat of a trip opened the circuit anew"
        assert all_are("OPEN", a, b)


async def test_a_reset_whose_answer_never_comes_does_not_end_what_came_after_it(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await fail(b, KEY)
        await until(lambda: all_are("OPEN", a, b))
        await settled(a, b)
        link.to_client.is_open = False
        assert await a.reset(KEY) == "queued"
        await until(lambda: all_are("CLOSED", b), "the reset went out")
        await fail(b, KEY)
        await settled(b)
        await until(lambda: sync(a) == "isolated")
        link.release()
        await until(lambda: sync(a) == "connected")
        await until(lambda: a.stats(KEY).version == b.stats(KEY).version)
        assert all_are("OPEN", a, b)


@pytest.mark.parametrize("count", [1, 9, 60])
async def test_connections_cut_in_the_middle_of_an_answer_lose_nothing(
    link: Proxy, server: Server, count: int
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await succeed(b, KEY)
        await settled(a, b)
        link.to_client.cut_after = count
        await fail(a, KEY)
        await until(lambda: link.cuts > 0, "cut in the middle")
        await until(lambda: all_are("OPEN", a, b))
        await until(lambda: sync(a) == "connected")
        assert await b.reset(KEY) == "fleet"
        await until(lambda: all_are("CLOSED", a, b))


async def test_connections_cut_in_the_middle_of_a_command_lose_nothing(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await succeed(b, KEY)
        await settled(a, b)
        link.to_server.cut_after = 50
        await fail(a, KEY)
        await until(lambda: link.cuts > 0, "cut in the middle")
        await until(lambda: all_are("OPEN", a, b))


async def test_a_trip_told_while_the_link_is_cut_is_read_after_it(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        link.cut()
        await fail(b, KEY)
        await until(lambda: all_are("OPEN", a, b))
        await until(lambda: sync(a) == "connected")


async def test_a_link_of_a_few_bytes_per_second_slows_no_call_and_loses_no_trip(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await succeed(b, KEY)
        for way in link.ways:
            way.pace = 5.0
        await calls_without_a_turn(a)
        await until(lambda: sync(a) == "isolated")
        for way in link.ways:
            way.pace = None
        await until(lambda: all_are("OPEN", a, b))
        await until(lambda: sync(a) == "connected")


async def test_a_link_slower_than_patience_is_isolation_until_it_is_quick_again(
    link: Proxy, server: Server
) -> None:
    async with behind(link) as (a,), fleet(server, 1) as (b,):
        await succeed(b, KEY)
        link.delay(1.5)
        await calls_without_a_turn(a)
        await until(lambda: sync(a) == "isolated")
        link.delay(0.05)
        await until(lambda: all_are("OPEN", a, b))
        await until(lambda: sync(a) == "connected")


async def test_starting_behind_a_black_hole_serves_and_joins_when_it_is_gone(
    link: Proxy, server: Server
) -> None:
    link.hold()
    async with fleet(link, 1) as (a,), fleet(server, 1) as (b,):  # type: ignore[arg-type]
        assert sync(a) == "isolated"
        await calls_without_a_turn(a)
        assert all_are("CLOSED", b)
        b.circuit(KEY)
        link.release()
        await until(lambda: all_are("OPEN", a, b))
        await until(lambda: sync(a) == "connected")
