"""Calls that come back in shares: after whatever has kept them away, in all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker

from .instances import fail, fleet, probe, settled, succeed, until
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"

CONFIG = CircuitConfig(
    failure_threshold=3,
    success_threshold=1,
    recovery_timeout=0.2,
    ramp_seconds=10_000.0,
    ramp_shares=(0.1, 1.0),
)

IN_SHARES, ALL = 10, 100
"""Calls of a hundred that are admitted."""


async def admitted(breaker: HybridBreaker, key: str = KEY) -> int:
    count = 0
    for _ in range(100):
        try:
            await succeed(breaker, key)
        except CircuitOpenError:
            continue
        count += 1
    return count


def ramp_of(server: Server) -> int:
    return int(server.hash(KEY).get("ramp", 0))


async def forced_open(*breakers: HybridBreaker, seconds: float | None = None) -> None:
    await breakers[0].override(KEY, "forced_open", by="ann", reason="a migration", seconds=seconds)
    for breaker in breakers:
        await until(lambda b=breaker: b.state(KEY) == "OPEN")


async def closed(*breakers: HybridBreaker) -> None:
    for breaker in breakers:
        await until(lambda b=breaker: b.state(KEY) == "CLOSED")


async def test_a_forced_opening_that_is_cleared_lets_calls_back_in_shares_everywhere(
    server: Server,
) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        await forced_open(a, b)
        await b.clear_override(KEY, by="ann")
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, IN_SHARES]


async def test_a_forced_opening_that_ends_lets_calls_back_in_shares_everywhere(
    server: Server,
) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        await forced_open(a, b, seconds=0.3)
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, IN_SHARES]


async def test_a_disabling_that_ends_changes_nothing(server: Server) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        await a.override(KEY, "disabled", by="ann", reason="x", seconds=None)
        await until(lambda: b.stats(KEY).override is not None)
        await a.clear_override(KEY, by="ann")
        await until(lambda: b.stats(KEY).override is None)
        assert [await admitted(a), await admitted(b)] == [ALL, ALL]
        await settled(a, b)
        assert ramp_of(server) == 0


async def test_a_recovery_lets_calls_back_in_shares_everywhere(server: Server) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        await probe(a, KEY)
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, IN_SHARES]


async def test_a_recovery_of_a_basic_format_client_lets_calls_back_in_shares_everywhere(
    server: Server,
) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        b.circuit(KEY)
        speaker = PlainSpeaker(server)
        speaker.say("OPEN", open_for=0.2)
        for breaker in (a, b):
            breaker.circuit(KEY)
            await until(lambda b=breaker: b.state(KEY) == "OPEN")
        speaker.say("CLOSED")
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, IN_SHARES]
        await until(lambda: ramp_of(server) > 0)


@pytest.mark.parametrize(("ramp", "share"), [(False, ALL), (True, IN_SHARES)])
@pytest.mark.parametrize("is_open", [False, True])
async def test_a_reset_lets_back_all_unless_it_is_asked_for_a_ramp(
    server: Server, ramp: bool, share: int, is_open: bool
) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY, times=3 if is_open else 1)
        if is_open:
            await until(lambda: b.state(KEY) == "OPEN")
        assert await b.reset(KEY, ramp=ramp) == "fleet"
        await until(lambda: a.stats(KEY).version == b.stats(KEY).version > 0)
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [share, share]


async def test_a_reset_without_a_ramp_ends_one(server: Server) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        b.circuit(KEY)
        await a.reset(KEY, ramp=True)
        await until(lambda: b.stats(KEY).version > 0)
        version = b.stats(KEY).version
        assert await admitted(b) == IN_SHARES
        await a.reset(KEY)
        await until(lambda: b.stats(KEY).version > version)
        assert [await admitted(a), await admitted(b)] == [ALL, ALL]
        assert ramp_of(server) == 0


async def test_a_reset_that_waited_for_redis_still_asks_for_its_ramp(server: Server) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        server.hang()
        try:
            assert await a.reset(KEY, ramp=True) == "queued"
        finally:
            server.resume()
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, IN_SHARES]


async def test_who_has_no_ramp_configured_lets_back_all(server: Server) -> None:
    plain = CircuitConfig(failure_threshold=3)
    async with fleet(server, 1, CONFIG) as (a,), fleet(server, 1, plain) as (b,):
        b.circuit(KEY)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        await b.reset(KEY, ramp=True)
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, ALL]


async def test_an_opening_below_an_override_is_still_probed_when_that_ends(server: Server) -> None:
    async with fleet(server, defaults=CONFIG) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        await forced_open(a, b)
        await a.clear_override(KEY, by="ann")
        await until(lambda: b.stats(KEY).override is None)
        await probe(a, KEY)
        await closed(a, b)
        assert [await admitted(a), await admitted(b)] == [IN_SHARES, IN_SHARES]
