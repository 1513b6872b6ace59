"""A link to the server that is slow, as no server that is well can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .instances import fail, fleet, settled, succeed
from .links import FLEETING, KEY, all_are, behind, calls_without_a_turn, recovers, sync, until

if TYPE_CHECKING:
    from .proxy import Proxy
    from .server import Server


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
