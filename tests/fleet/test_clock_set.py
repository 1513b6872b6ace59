"""The server's clock is set by three days, forth and back, on a real server; and failovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import HybridBreaker

from .instances import CONFIG, fail, fleet, settled, until
from .player import KEY
from .proxy import Proxy
from .sessions import session_of, set_next_heartbeat, wake
from .shifted import ShiftedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("unhurried_answers")

DAY_US = 86_400_000_000


@pytest.fixture
def shifted(tmp_path: Path) -> Iterator[ShiftedServer]:
    with ShiftedServer(tmp_path) as server:
        yield server


def read_again(*breakers: HybridBreaker) -> None:
    """Make instances do at once what they do every 30 seconds."""
    for breaker in breakers:
        session = session_of(breaker)
        session.exchange.rereading.repair()
        set_next_heartbeat(session.exchange, 0.0)
        wake(session)


async def all_is_shared(a: HybridBreaker, b: HybridBreaker) -> None:
    """Check that whatever one of two decides holds for the other, both ways."""
    for one, other in ((a, b), (b, a)):
        await fail(one, KEY)
        await until(lambda o=other: o.state(KEY) == "OPEN", "the opening")
        assert await one.override(KEY, "disabled", by="ann", reason="t", seconds=None) == "fleet"
        await until(lambda o=other: o.stats(KEY).override is not None, "the override")
        assert await other.clear_override(KEY, by="ann") == "fleet"
        await until(lambda o=one: o.stats(KEY).override is None, "its end")
        assert await other.reset(KEY) == "fleet"
        await until(lambda o=one: o.state(KEY) == "CLOSED", "the reset")
        await settled(one, other)


def is_near(server: ShiftedServer, version: int) -> bool:
    """Whether a version is what the server's clock says, or at most a minute before or beyond."""
    seconds, _ = server.ask.time()  # type: ignore[misc]
    return abs(version - int(seconds) * 1_000_000) < 60_000_000


@pytest.mark.parametrize("offsets", [("+3d", "+0"), ("-3d", "+0"), ("+3d", "-3d", "+3d")], ids=str)
async def test_all_is_shared_whatever_days_the_clock_is_set_to(
    shifted: ShiftedServer, offsets: tuple[str, ...]
) -> None:
    async with fleet(shifted) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        await all_is_shared(a, b)
        for offset in offsets:
            shifted.set_clock(offset)
            read_again(a, b)
            await settled(a, b)
            await all_is_shared(a, b)
            assert a.stats(KEY).version == b.stats(KEY).version
            assert is_near(shifted, a.stats(KEY).version)
        async with fleet(shifted, 1) as (newcomer,):
            newcomer.circuit(KEY)
            await settled(newcomer)
            await all_is_shared(newcomer, a)


@pytest.mark.parametrize("offset", ["+3d", "-3d"])
async def test_an_opening_is_shared_though_nobody_has_asked_for_the_time_since(
    shifted: ShiftedServer, offset: str
) -> None:
    async with fleet(shifted) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert await a.reset(KEY) == "fleet"
        await until(lambda: b.state(KEY) == "CLOSED")
        await settled(a, b)
        shifted.set_clock(offset)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN", "from a message by the new clock")
        assert await a.override(KEY, "disabled", by="ann", reason="t", seconds=None) == "fleet"
        await until(lambda: b.stats(KEY).override is not None)


async def test_circuits_that_were_open_before_the_clock_was_set_back_are_known_to_newcomers(
    shifted: ShiftedServer,
) -> None:
    shifted.set_clock("+3d")
    async with fleet(shifted) as (a, b):
        for number in range(5):
            await fail(a, f"host-{number}")
        await until(lambda: b.state("host-4") == "OPEN")
        await settled(a, b)
        shifted.set_clock("+0")
        async with fleet(shifted, 1) as (newcomer,):
            for number in range(5):
                assert newcomer.state(f"host-{number}") == "OPEN"
            read_again(a, b, newcomer)
            await settled(a, b, newcomer)
            for number in range(5):
                score = shifted.ask.zscore("circuit#index", f"host-{number}")
                assert is_near(shifted, int(score or 0))


async def test_after_a_failover_to_a_clock_three_days_behind_all_is_shared(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("primary", "replica")]
    for folder in folders:
        folder.mkdir()
    with ShiftedServer(folders[0]) as primary, ShiftedServer(folders[1], offset="-3d") as replica:
        replica.ask.replicaof("127.0.0.1", str(primary.port))
        with Proxy(primary.port) as link:
            async with fleet(link) as (a, b):  # type: ignore[arg-type]
                for breaker in (a, b):
                    breaker.circuit(KEY)
                await settled(a, b)
                await fail(a, KEY)
                await until(lambda: b.state(KEY) == "OPEN")
                await until(lambda: replica.hash(KEY).get("state") == "OPEN", "replicated")
                replica.ask.replicaof("NO", "ONE")
                link.target = replica.port
                link.cut()
                primary.kill()
                for breaker in (a, b):
                    await until(lambda at=breaker: at.sync_status().state == "connected")
                await settled(a, b)
                assert a.state(KEY) == b.state(KEY) == "OPEN"
                assert await b.reset(KEY) == "fleet"
                await until(lambda: a.state(KEY) == "CLOSED")
                await all_is_shared(a, b)
                assert is_near(replica, a.stats(KEY).version)


async def test_who_was_cut_off_can_bring_a_far_version_back_when_it_comes_within_the_day(
    shifted: ShiftedServer,
) -> None:
    """A limit that docs/fleet.md names: all agree in the end, and a reset ends it."""
    shifted.set_clock("+2d")
    with Proxy(shifted.port) as link:
        a, b = (HybridBreaker(redis=url, defaults=CONFIG) for url in (shifted.url, link.url))
        async with a, b:
            b.circuit(KEY)
            await settled(a, b)
            await fail(a, KEY)
            await until(lambda: b.state(KEY) == "OPEN")
            await settled(a, b)
            far = b.stats(KEY).version
            link.hold()
            await until(lambda: b.sync_status().state == "isolated")
            shifted.set_clock("+0")
            assert await a.reset(KEY) == "fleet"
            assert a.stats(KEY).version < far - DAY_US
            shifted.set_clock("+36h")
            link.cut()
            link.release()
            await until(lambda: a.state(KEY) == "OPEN", "brought back")
            await until(lambda: a.stats(KEY).version == b.stats(KEY).version == far)
            await settled(a, b)
            assert await a.reset(KEY) == "fleet"
            await until(lambda: b.state(KEY) == "CLOSED")
            assert a.stats(KEY).version == b.stats(KEY).version == far + 1
