"""A process that begins to use a circuit which the fleet has known, and closed, before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import (
    Backoff,
    CircuitConfig,
    CircuitOpenError,
    CircuitState,
    HybridBreaker,
)
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .instances import CONFIG, fail, fleet, probe, settled, succeed, until
from .player import Player
from .test_ramps import admitted

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"


async def closed_before(server: Server) -> None:
    """Leave a CLOSED hash behind, written two seconds ago by the server's clock."""
    async with fleet(server, 1, CONFIG) as (a,):
        await fail(a, KEY)
        await a.reset(KEY)
    stored = server.hash(KEY)
    assert stored["state"] == "CLOSED"
    at = int(stored["at"]) - 2_000
    server.ask.hset(f"circuit:{KEY}", "at", str(at))


async def test_a_new_process_opens_at_once_by_what_it_meets(server: Server) -> None:
    await closed_before(server)
    async with fleet(server, 1, CONFIG) as (b,):
        await fail(b, KEY)  # before the first word on the circuit has come
        assert b.state(KEY) is CircuitState.OPEN
        await until(lambda: server.hash(KEY)["state"] == "OPEN")
        await settled(b)
        assert b.state(KEY) is CircuitState.OPEN
        with pytest.raises(CircuitOpenError):
            await succeed(b, KEY)


async def test_its_first_failures_are_not_lost(server: Server) -> None:
    await closed_before(server)
    async with fleet(server, 1, CONFIG) as (b,):
        await fail(b, KEY, 2)
        await until(lambda: b.stats(KEY).version > 0)
        assert b.stats(KEY).failures == 2
        await fail(b, KEY, 1)
        assert b.state(KEY) is CircuitState.OPEN


async def test_a_reset_after_its_trip_counts(server: Server) -> None:
    await closed_before(server)
    async with fleet(server, 2, CONFIG) as (a, b):
        await fail(b, KEY)
        await until(lambda: a.state(KEY) is CircuitState.OPEN)
        await a.reset(KEY)
        await until(lambda: b.state(KEY) is CircuitState.CLOSED)
        await settled(a, b)
        assert a.state(KEY) is b.state(KEY) is CircuitState.CLOSED


def test_a_change_refused_for_what_is_read_meanwhile_is_proposed_again(server: Server) -> None:
    a, b = Player(server, "aaaa"), Player(server, "bbbb")
    a.fail()
    a.send()
    a.reset()
    a.send()
    server.ask.hset(f"circuit:{KEY}", "at", str(int(server.hash(KEY)["at"]) - 5_000))
    b.fail()
    change = b.take()
    refusal = b.deliver(change)
    b.exchange.read(KEY)
    read = b.take()
    b.answer(read, b.deliver(read))
    b.answer(change, refusal)
    b.send()
    assert b.state is CircuitState.OPEN
    assert server.hash(KEY)["state"] == "OPEN"
    a.close()
    b.close()


# -- what a newcomer knows of the last recovery -------------------------------------------------

RAMPING = CircuitConfig(
    failure_threshold=3,
    success_threshold=1,
    recovery_timeout=0.2,
    backoff=Backoff(multiplier=100.0, jitter=0.0, reset_after=3_600.0),
    ramp_seconds=10_000.0,
    ramp_shares=(0.1, 1.0),
)


async def recovered(*breakers: HybridBreaker) -> None:
    """Open a circuit, and close it again."""
    for breaker in breakers:
        breaker.circuit(KEY)
    await fail(breakers[0], KEY)
    for breaker in breakers:
        await until(lambda b=breaker: b.state(KEY) == "OPEN")
    await probe(breakers[0], KEY)
    for breaker in breakers:
        await until(lambda b=breaker: b.state(KEY) == "CLOSED")
    await settled(*breakers)


async def knows(breaker: HybridBreaker) -> None:
    """Let a newcomer use the circuit, and wait until it has read what the fleet knows."""
    breaker.circuit(KEY)
    await until(lambda: breaker.stats(KEY).version > 0)


async def age(server: Server, seconds: float) -> None:
    """Make what stands in the hash older than it is."""
    for name in ("at", "closedAt", "ramp"):
        if server.ask.hexists(f"circuit:{KEY}", name):
            server.ask.hincrby(f"circuit:{KEY}", name, round(-seconds * 1000))


@pytest.mark.parametrize("seconds", [0.0, 5.0])
async def test_a_newcomer_admits_the_share_that_the_others_admit(
    server: Server, seconds: float
) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
        await age(server, seconds)
        async with fleet(server, 1, RAMPING) as (late,):
            await knows(late)
            assert await admitted(late) == 10


async def test_a_newcomer_knows_how_far_the_ramp_has_come(server: Server) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
        await age(server, 5_001.0)
        async with fleet(server, 1, RAMPING) as (late,):
            await knows(late)
            assert await admitted(late) == 100


@pytest.mark.parametrize("is_in_time", [True, False])
async def test_a_trip_of_a_newcomer_continues_the_row_of_openings(
    server: Server, is_in_time: bool
) -> None:
    config = replace(RAMPING, ramp_seconds=None)
    async with fleet(server, 1, config) as (a,):
        await recovered(a)
        await age(server, 5.0)
        async with fleet(server, 1, config) as (late,):
            if is_in_time:
                await knows(late)
            await fail(late, KEY)  # or before what is read has come
            await until(lambda: late.stats(KEY).reopenings == 1)
            await until(lambda: a.state(KEY) == "OPEN")
            for breaker in (a, late):
                assert breaker.stats(KEY).reopenings == 1
                assert 10 < breaker.stats(KEY).retry_after <= 20


async def test_a_row_of_openings_that_has_ended_is_not_continued(server: Server) -> None:
    config = replace(RAMPING, ramp_seconds=None)
    async with fleet(server, 1, config) as (a,):
        await recovered(a)
        await age(server, 3_601.0)
        async with fleet(server, 1, config) as (late,):
            await knows(late)
            await fail(late, KEY)
            assert late.stats(KEY).reopenings == 0


async def test_what_is_written_back_keeps_the_time_of_the_recovery(server: Server) -> None:
    clock = ManualClock()
    async with fleet(server, 1, RAMPING, clock=clock) as (a,):
        await recovered_by_hand(a, clock)
        before = server.hash(KEY)
        server.ask.delete(f"circuit:{KEY}")
        clock.advance(2.0)
        inside.sync_of(a).made(KEY)  # have it read
        await until(lambda: server.hash(KEY))
        after = server.hash(KEY)
        for name in ("closedAt", "ramp"):
            assert int(after["at"]) - int(after[name]) == 2_000
        assert after["closedOf"] == after["version"] == before["version"]


async def recovered_by_hand(breaker: HybridBreaker, clock: ManualClock) -> None:
    await fail(breaker, KEY)
    await settled(breaker)
    clock.advance(0.2)
    await probe(breaker, KEY)
    await settled(breaker)


async def test_a_newcomer_after_a_reset_admits_all(server: Server) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
        await a.reset(KEY)
        async with fleet(server, 1, RAMPING) as (late,):
            await knows(late)
            assert await admitted(late) == 100
            assert "ramp" not in server.hash(KEY)


async def test_a_newcomer_after_a_reset_with_a_ramp_admits_the_share_and_continues_no_row(
    server: Server,
) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
        await a.reset(KEY, ramp=True)
        async with fleet(server, 1, RAMPING) as (late,):
            await knows(late)
            assert await admitted(late) == 10
            inside.reset_here(late.circuit(KEY))
            await fail(late, KEY)
            assert late.stats(KEY).reopenings == 0


@pytest.mark.parametrize("seconds", [0.2, None])
async def test_a_newcomer_after_a_forced_opening_admits_the_share(
    server: Server, seconds: float | None
) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await a.reset(KEY)
        await a.override(KEY, "forced_open", by="ann", reason="x", seconds=seconds)
        if seconds is None:
            await a.clear_override(KEY, by="ann")
        await until(lambda: int(server.hash(KEY).get("ramp", 0)) > 0)
        async with fleet(server, 1, RAMPING) as (late,):
            await knows(late)
            assert await admitted(late) == 10


async def test_what_an_older_version_leaves_in_the_hash_is_not_taken_for_this_ones(
    server: Server,
) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
    server.ask.hset(f"circuit:{KEY}", "version", str(int(server.hash(KEY)["version"]) + 1))
    async with fleet(server, 1, RAMPING) as (late,):
        await knows(late)
        assert await admitted(late) == 100
        await late.override(KEY, "disabled", by="ann", reason="x", seconds=None)
        assert "ramp" not in server.hash(KEY)


async def test_an_override_leaves_what_is_known_of_the_recovery(server: Server) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
        before = server.hash(KEY)
        await a.override(KEY, "disabled", by="ann", reason="x", seconds=None)
        await a.clear_override(KEY, by="ann")
        after = server.hash(KEY)
        assert {name: after[name] for name in ("closedAt", "ramp", "closedOf")} == {
            name: before[name] for name in ("closedAt", "ramp", "closedOf")
        }


@pytest.mark.parametrize("field", ["closedAt", "ramp"])
@pytest.mark.parametrize("value", ["x", "-1", "1e400", "nan"])
async def test_nonsense_in_these_fields_is_survived(server: Server, field: str, value: str) -> None:
    async with fleet(server, 1, RAMPING) as (a,):
        await recovered(a)
        server.ask.hset(f"circuit:{KEY}", field, value)
        async with fleet(server, 1, RAMPING) as (late,):
            circuit = late.circuit(KEY)
            await until(lambda: circuit.stats().version > 0)  # the rest of the hash was read
            await late.reset(KEY)
            assert await admitted(late) == 100
