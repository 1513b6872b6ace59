"""The mode of a circuit switched for the whole fleet, over real servers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState, HybridBreaker
from tests import inside
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, settled, succeed, until
from .server import arrived
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from .server import Server

pytestmark = pytest.mark.usefixtures("unhurried_answers")

KEY = "inventory-api"
ODD = "in}ventory"
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED
REGISTER = f"circuit#override:{{circuit:{KEY}}}"


async def try_out(
    breaker: HybridBreaker, key: str = KEY, kind: str = "shadow", seconds: float | None = 3600
) -> str:
    return await breaker.override(key, kind, by="änn", reason="a trial", seconds=seconds)


def mode(breaker: HybridBreaker, key: str = KEY) -> str:
    return breaker.stats(key).mode


async def test_shadow_reaches_the_others_who_reject_nothing_and_keep_what_they_decide(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        assert await try_out(a) == "fleet"
        await until(lambda: mode(b) == "shadow")
        view = b.stats(KEY).override
        assert view is not None
        assert (view.kind, view.by, view.reason) == ("shadow", "änn", "a trial")
        for breaker in (a, b):
            await succeed(breaker, KEY)
            await fail(breaker, KEY, times=1)
            stats = breaker.stats(KEY)
            assert (stats.state, stats.rejected) == (OPEN, 0)
            assert (stats.shadowed, stats.shadowed_failures) == (2, 1)
        change = b.circuit(KEY).history()[-1]
        assert (change.cause, change.evidence.rule) == ("override", "shadow")


async def test_trip_in_shadow_mode_is_told_to_nobody_until_the_mode_ends(server: Server) -> None:
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        await try_out(a)
        await until(lambda: mode(b) == "shadow")
        await fail(b, KEY)
        await settled(a, b)
        assert (b.state(KEY), a.state(KEY)) == (OPEN, CLOSED)
        assert "state" not in server.hash(KEY)
        await a.clear_override(KEY, by="bob")
        await until(lambda: a.state(KEY) is OPEN)
        with pytest.raises(CircuitOpenError):
            await succeed(a, KEY)
        assert (mode(b), server.hash(KEY)["state"]) == ("enforce", "OPEN")


async def test_enforced_ends_the_shadow_mode_of_a_configuration_for_all(server: Server) -> None:
    defaults = replace(CONFIG, mode="shadow")
    async with fleet(server, defaults=defaults) as (a, b):
        for breaker in (a, b):
            await succeed(breaker, KEY)
        await fail(b, KEY)
        await settled(a, b)
        assert a.state(KEY) is CLOSED
        await try_out(a, kind="enforced")
        await until(lambda: a.state(KEY) is OPEN)  # as b has seen it
        for breaker in (a, b):
            with pytest.raises(CircuitOpenError):
                await succeed(breaker, KEY)
        await a.clear_override(KEY)
        await until(lambda: mode(b) == "shadow")
        await succeed(b, KEY)


@pytest.mark.parametrize("key", [KEY, ODD])
async def test_who_starts_later_knows_the_mode(server: Server, key: str) -> None:
    async with fleet(server, 1) as (a,):
        await try_out(a, key, seconds=None)
        await settled(a)
        async with fleet(server, 1) as (late,):
            await until(lambda: mode(late, key) == "shadow")
            await fail(late, key, times=20)
            await late.clear_override(key)
            await until(lambda: mode(a, key) == "enforce")
        async with fleet(server, 1) as (later,):
            await settled(later)
            assert mode(later, key) == "enforce"


async def test_it_ends_by_itself_on_all(server: Server) -> None:
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        await try_out(a, seconds=0.5)
        await until(lambda: mode(b) == "shadow")
        for breaker in (a, b):
            await until(lambda one=breaker: mode(one) == "enforce")
            await until(lambda one=breaker: inside.of(one.circuit(KEY)).override is None)
        await until(lambda: '{"mode":"-"' in str(server.ask.hget(REGISTER, "override")))
        async with fleet(server, 1) as (late,):
            await settled(late)
            assert mode(late) == "enforce"
        assert [change.cause for change in b.circuit(KEY).history()] == [
            "override",
            "override_ended",
        ]


async def test_it_outlives_a_server_that_has_forgotten_everything(server: Server) -> None:
    async with fleet(server) as (a, b):
        await try_out(a, seconds=None)
        await until(lambda: mode(b) == "shadow")
        await settled(a, b)
        before = server.ask.hget(REGISTER, "override")
        server.ask.flushall()
        server.ask.client_kill_filter(_type="pubsub")
        await until(lambda: server.ask.hget(REGISTER, "override") == before)
        async with fleet(server, 1) as (late,):
            await until(lambda: mode(late) == "shadow")


async def test_older_version_that_writes_it_back_without_the_mode_is_corrected(
    server: Server,
) -> None:
    async with fleet(server) as (a, b):
        await try_out(a, seconds=None)
        await until(lambda: mode(b) == "shadow")
        await settled(a, b)
        kept = server.ask.hget(REGISTER, "override")
        version, writer, *_ = str(kept).split("|")
        # As a process of 0.3 does after a failover that has lost it.
        cleared = {"version": version, "writer": writer, "kind": "-", "ends": 0, "about": {}}
        server.ask.hset(REGISTER, "override", f"{version}|{writer}|-|0|{{}}")
        stats = {"state": "CLOSED", "failures": 0, "successes": 0, "nextAttempt": 0}
        message = {"key": KEY, "stats": stats, "p": 1, "override": cleared}
        server.ask.publish("circuit:updates", json.dumps(message))
        await until(lambda: server.ask.hget(REGISTER, "override") == kept)
        assert [mode(breaker) for breaker in (a, b)] == ["shadow", "shadow"]


async def test_forced_opening_and_mode_replace_each_other(server: Server) -> None:
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        await a.override(KEY, "forced_open", by="ann", reason="x", seconds=None)
        await until(lambda: b.state(KEY) is OPEN)
        assert server.hash(KEY)["state"] == "OPEN"
        await try_out(b)
        await until(lambda: a.state(KEY) is CLOSED)
        assert "state" not in server.hash(KEY)
        assert server.ask.ttl(REGISTER) > 3600
        await a.override(KEY, "forced_open", by="ann", reason="x", seconds=60)
        await until(lambda: b.state(KEY) is OPEN)
        assert mode(b) == "enforce"


async def test_services_of_the_plain_format_are_heard_under_it(server: Server) -> None:
    plain = PlainSpeaker(server, KEY)
    async with fleet(server) as (a, b):
        await succeed(b, KEY)
        await try_out(a)
        await until(lambda: mode(b) == "shadow")
        plain.say("OPEN", failures=3, open_for=CONFIG.recovery_timeout)
        for breaker in (a, b):
            await until(lambda one=breaker: one.state(KEY) is OPEN)
            await succeed(breaker, KEY)
        assert server.hash(KEY)["state"] == "OPEN"


async def test_one_message_tells_of_the_mode_and_is_not_answered(server: Server) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            await succeed(breaker, KEY)
        await settled(a, b)
        with server.ask.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe("circuit:updates")
            channel.get_message(timeout=PATIENCE)
            await try_out(a)
            await until(lambda: mode(b) == "shadow")
            await settled(a, b)
            (message,) = [json.loads(one["data"]) for one in arrived(channel)]
        assert message["stats"]["state"] == "CLOSED"
        override = message["override"]
        assert (override["kind"], override["about"]["mode"]) == ("-", "shadow")
        assert override["ends"] > 1.7e12
