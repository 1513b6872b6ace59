"""A link to the server that swallows bytes or is torn in the middle of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .instances import fail, fleet, hush, settled, succeed
from .links import FLEETING, KEY, all_are, behind, calls_without_a_turn, recovers, sync, until

if TYPE_CHECKING:
    from .proxy import Proxy
    from .server import Server


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
        # A heartbeat under way, or the look of a first use, would keep the trip back.
        await succeed(a, KEY)
        hush(a)
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
        hush(a)
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
