"""How the register of overrides is kept in Redis, and what strange values in it do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import CircuitState

from .forced import KEY, force_open
from .instances import fail, fleet, settled, succeed, until
from .sessions import commands_of, session_of, wake

if TYPE_CHECKING:
    from .server import Server


OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED
pytestmark = pytest.mark.usefixtures("unhurried_answers")

REGISTER = f"circuit#override:{{circuit:{KEY}}}"


@pytest.mark.parametrize("key", [KEY, "a}b"])
async def test_until_cleared_it_has_no_end_in_redis_even_if_a_plain_speaker_gives_it_one(
    server: Server, key: str
) -> None:
    async with fleet(server, 1) as (a,):
        await succeed(a, key)
        await force_open(a, key, seconds=None)
        names = [name for name in server.ask.keys("circuit*") if name.endswith((key, key + "}"))]
        assert [server.ask.ttl(name) for name in names] == [-1] * len(names)
        server.ask.expire(f"circuit:{key}", 3600)
        session = session_of(a)
        session.exchange.rereading.repair()
        wake(session)
        await until(lambda: server.ask.ttl(f"circuit:{key}") == -1)


async def test_with_an_end_the_register_lives_longer_than_the_override(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await force_open(a, seconds=7200)
        assert 7200 < server.ask.ttl(REGISTER) <= 7200 + 3600
        assert 7200 < server.ask.ttl(f"circuit:{KEY}") <= 7200 + 3600


async def test_a_clear_that_the_server_has_lost_is_written_back(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await force_open(a, seconds=None)
        await settled(a)
        before = server.ask.dump(REGISTER), server.ask.dump(f"circuit:{KEY}")
        await a.clear_override(KEY, by="ann", reason="the move is over")
        await settled(a)
        # As a replica does that takes over without the last second of writes.
        server.ask.restore(REGISTER, 0, before[0], replace=True)
        server.ask.restore(f"circuit:{KEY}", 0, before[1], replace=True)
        server.ask.sadd("circuit#overridden", KEY)
        session = session_of(a)
        session.exchange.read_all()
        wake(session)
        await until(lambda: server.ask.hget(REGISTER, "override").split("|")[2] == "-")
        await settled(a)
        about = json.loads(server.ask.hget(REGISTER, "override").split("|", 4)[4])
        assert about == {"by": "ann", "reason": "the move is over"}  # it still says who and why
        assert a.state(KEY) is CLOSED
        assert not server.ask.smembers("circuit#overridden")
        assert server.ask.hget(f"circuit:{KEY}", "state") in {None, "CLOSED"}
        async with fleet(server, 1) as (late,):
            assert late.state(KEY) is CLOSED


async def test_a_repeated_order_changes_nothing(server: Server) -> None:
    async with fleet(server) as (a, b):
        await force_open(a)
        session = session_of(a)
        before = server.ask.hget(REGISTER, "override")
        ops = server.ask.hget(REGISTER, "override_ops").split()
        commands = commands_of(session.exchange)
        repeated = commands.override("override", KEY, ops[-1], None, by="x")
        assert server.ask.execute_command(*repeated)[0] == "repeat"
        assert server.ask.hget(REGISTER, "override") == before
        await until(lambda: b.state(KEY) is OPEN)


@pytest.mark.parametrize(
    "register",
    [
        "nonsense",
        "1|w|forced_open|0",
        "99999999999999999999|w|forced_open|0|{}",
        "5|w|on_fire|0|{}",
        "5|w|forced_open|0|{",
        "|||",
    ],
)
async def test_nonsense_in_the_register_does_no_harm(server: Server, register: str) -> None:
    server.ask.hset(REGISTER, "override", register)
    server.ask.sadd("circuit#overridden", KEY, "", "a\nb")
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        assert await force_open(b) == "fleet"
        await until(lambda: a.stats(KEY).override is not None)


async def test_the_set_of_overridden_circuits_forgets_those_that_are_not(server: Server) -> None:
    server.ask.sadd("circuit#overridden", "long ago")
    async with fleet(server, 1) as (a,):
        await settled(a)
        assert not server.ask.exists("circuit#overridden")
        await force_open(a)
        await settled(a)
        assert server.ask.smembers("circuit#overridden") == {KEY}
        await a.clear_override(KEY)
        await settled(a)
        assert not server.ask.exists("circuit#overridden")


async def test_a_register_of_another_type_is_survived(server: Server) -> None:
    server.ask.set(REGISTER, "x")
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) is OPEN)
        assert await force_open(a, "another") == "fleet"
        await until(lambda: b.state("another") is OPEN)
