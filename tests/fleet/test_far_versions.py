"""Versions far beyond the server's clock: they hide nothing, and no later change follows them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.core.override import make_override
from fastapi_hybrid_breaker.fleet.values import VERSION_LIMIT
from tests import inside

from .instances import fail, fleet, settled, until
from .player import KEY, Player, play
from .sessions import session_of, wake

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server

pytestmark = [pytest.mark.every_server, pytest.mark.usefixtures("unhurried_answers")]

DAY_US = 86_400_000_000
WRITER = "feedfeedfeedfeed"
AHEAD = "two days ahead"
FAR: tuple[int | str, ...] = (
    AHEAD,
    VERSION_LIMIT - 1,
    VERSION_LIMIT,
    2**53 - 1,
    2**53,
    2**63,
    10**30,
)


def now_us(server: Server) -> int:
    seconds, microseconds = server.ask.time()  # type: ignore[misc]
    return int(seconds) * 1_000_000 + int(microseconds)


def far(server: Server, version: int | str) -> str:
    """Return a version as text: so many, or two days ahead of the server's clock."""
    return str(now_us(server) + 2 * DAY_US if version == AHEAD else version)


def as_message(server: Server, version: str) -> None:
    now = now_us(server) // 1000
    stats = {"state": "OPEN", "failures": 1, "successes": 0, "nextAttempt": now + 20_000}
    said = {"key": KEY, "stats": stats, "p": 1, "version": version, "writer": WRITER, "at": now}
    server.ask.publish("circuit:updates", json.dumps(said))


def as_hash(server: Server, version: str) -> None:
    now = now_us(server) // 1000
    four = ("OPEN", "1", "0", str(now + 20_000))
    plain = dict(zip(("state", "failures", "successes", "nextAttempt"), four, strict=True))
    ours = {"version": version, "writer": WRITER, "at": str(now), "sum": "|".join(four), "p": "1"}
    server.ask.hset(f"circuit:{KEY}", mapping={**plain, **ours, "reopened": "0", "why": ""})
    as_message(server, version)


def as_index(server: Server, version: str) -> None:
    server.ask.zadd("circuit#index", {KEY: float(version), "never used": float(version)})


def as_override_in_message(server: Server, version: str) -> None:
    about = {"by": "nobody", "reason": "hostile"}
    override = {"version": version, "writer": WRITER, "kind": "disabled", "ends": 0, "about": about}
    stats = {"state": "CLOSED", "failures": 0, "successes": 0, "nextAttempt": 0}
    said = {"key": KEY, "stats": stats, "p": 1, "override": override}
    server.ask.publish("circuit:updates", json.dumps(said))


def as_register(server: Server, version: str) -> None:
    about = '{"by":"nobody","reason":"hostile"}'
    register = f"{version}|{WRITER}|disabled|0|{about}"
    server.ask.hset(f"circuit#override:{{circuit:{KEY}}}", "override", register)
    server.ask.sadd("circuit#overridden", KEY)


PLACES = (as_message, as_hash, as_index, as_override_in_message, as_register)


def versions_of(server: Server, key: str = KEY) -> list[int]:
    """Return the versions that stand in Redis of a circuit: state, override, index."""
    found = [int(server.hash(key).get("version", 0))]
    register: Any = server.ask.hget(f"circuit#override:{{circuit:{key}}}", "override")
    if register is not None:
        found.append(int(register.partition("|")[0]))
    if (score := server.ask.zscore("circuit#index", key)) is not None:
        found.append(int(float(score)))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("version", FAR)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
async def test_one_far_version_does_not_end_the_sharing(
    server: Server, place: Callable[[Server, str], None], version: int | str
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
            breaker.circuit("other")
        await settled(a, b)
        place(server, far(server, version))
        for breaker in (a, b):
            session_of(breaker).exchange.read_all()
            wake(session_of(breaker))
        await settled(a, b)
        await fail(a, "other")
        await until(lambda: b.state("other") == "OPEN", "another circuit is shared")
        assert (
            await a.override(KEY, "forced_open", by="ann", reason="test", seconds=None) == "fleet"
        )
        assert a.state(KEY) == "OPEN"
        await until(lambda: (b.stats(KEY).override or a).kind == "forced_open", "the override")
        assert await b.clear_override(KEY, by="ann") == "fleet"
        assert b.stats(KEY).override is None
        await until(lambda: a.stats(KEY).override is None, "the override's end")
        assert await b.reset(KEY) == "fleet"
        await until(lambda: a.state(KEY) == b.state(KEY) == "CLOSED", "the reset")
        await fail(b, KEY)
        await until(lambda: a.state(KEY) == "OPEN", "the opening")
        await settled(a, b)
        async with fleet(server, 1) as (newcomer,):
            assert newcomer.state(KEY) == "OPEN"
            assert newcomer.stats(KEY).version == b.stats(KEY).version
        assert max(versions_of(server)) <= now_us(server)
        assert a.sync_status().state == b.sync_status().state == "connected"
        assert a.sync_status().queued == 0


@pytest.mark.parametrize("version", [AHEAD, VERSION_LIMIT - 1])
async def test_a_far_version_is_adopted_counted_and_logged_where_no_other_is_known(
    server: Server, version: int | str, caplog: pytest.LogCaptureFixture
) -> None:
    text = far(server, version)
    as_hash(server, text)
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
        async with fleet(server, 1) as (a,):
            a.circuit(KEY)
            await settled(a)
            assert a.state(KEY) == "OPEN"
            assert a.stats(KEY).version == int(text)
            assert a.sync_status().dropped == 1
    assert "a version more than a day beyond the server's clock" in caplog.text


@pytest.mark.parametrize("version", [AHEAD, VERSION_LIMIT - 1])
async def test_a_far_version_is_gone_after_flushall_and_a_restart_of_everything(
    server: Server, version: int | str
) -> None:
    async with fleet(server) as (a, b):
        a.circuit(KEY)
        b.circuit(KEY)
        await settled(a, b)
        as_hash(server, far(server, version))
        await until(lambda: a.state(KEY) == b.state(KEY) == "OPEN")
        server.ask.flushall()
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await settled(a, b)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert max(versions_of(server)) <= now_us(server)


@pytest.mark.parametrize("version", [AHEAD, VERSION_LIMIT - 1])
def test_the_next_change_on_a_far_version_is_numbered_from_the_clock(
    server: Server, players: tuple[Player, Player], version: int | str
) -> None:
    a, b = players
    text = far(server, version)
    a.learn_time()
    b.learn_time()
    as_hash(server, text)
    play(a, b)
    assert a.version == b.version == int(text)
    a.reset()
    play(a, b)
    assert a.state == b.state == CircuitState.CLOSED
    assert a.version == b.version <= now_us(server)
    b.fail()
    play(a, b)
    assert a.state == "OPEN"
    assert a.version == b.version <= now_us(server)


def test_a_far_version_does_not_hide_an_opening_that_is_known(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    a.fail()
    play(a, b)
    known = a.version
    as_hash(server, far(server, AHEAD))
    play(a, b)
    a.exchange.read_all()
    play(a, b)
    assert a.version == b.version == known
    assert int(server.hash(KEY)["version"]) == known  # written back


def test_far_versions_are_ordered_among_themselves_as_usual(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, _ = players
    a.learn_time()
    later, earlier = (now_us(server) + days * DAY_US for days in (5, 3))
    for version, expected in ((earlier, earlier), (later, later), (earlier, later)):
        as_message(server, str(version))
        a.listen()
        assert a.version == expected


def test_before_the_time_is_known_a_message_only_marks_its_key_for_reading(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, b = players
    b.fail()
    b.send()
    (message,) = a.messages()
    server.ask.flushall()
    a.exchange.inbox.receive(message)
    assert a.version == 0
    assert [request.kind for request in a.take()][:2] == ["time", "read"]


def test_before_the_time_is_known_an_override_is_only_marked_for_reading(
    players: tuple[Player, Player],
) -> None:
    a, _ = players
    override = {"version": "5", "writer": WRITER, "kind": "disabled", "ends": 0, "about": {}}
    stats = {"state": "CLOSED", "failures": 0, "successes": 0, "nextAttempt": 0}
    said = {"key": KEY, "stats": stats, "p": 1, "override": override}
    a.exchange.inbox.receive(json.dumps(said).encode())
    assert a.breaker.stats(KEY).override is None
    assert [request.kind for request in a.take()][:2] == ["time", "read_override"]


def test_a_far_member_of_the_index_is_read_once_and_comes_down(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, _ = players
    server.ask.zadd("circuit#index", {"far": VERSION_LIMIT - 1, "farther": 1e300})
    a.exchange.read_all()
    a.send()
    for name in ("far", "farther"):
        score: Any = server.ask.zscore("circuit#index", name)
        assert float(score) <= now_us(server)
    a.clock.advance(31)
    a.exchange.rereading.repair()
    requests = a.take()
    (since,) = (one.versions[""] for one in requests if one.kind == "index_read")
    assert since <= now_us(server)


def test_a_far_version_of_a_circuit_does_not_stand_in_the_index(
    server: Server, players: tuple[Player, Player]
) -> None:
    a, _ = players
    a.learn_time()
    as_hash(server, far(server, AHEAD))
    a.listen()
    assert a.state == "OPEN"
    a.exchange.rereading.repair()
    a.send()
    assert max(versions_of(server)[1:]) <= now_us(server)


@pytest.mark.parametrize("version", [2**53, 10**30])
def test_a_hash_whose_version_is_malformed_gets_one_by_who_does_not_know_the_circuit(
    server: Server, players: tuple[Player, Player], version: int
) -> None:
    a, newcomer = players
    a.fail()
    a.send()
    newcomer.messages()  # lost
    as_hash(server, str(version))
    newcomer.messages()
    newcomer.exchange.read_all()
    for _ in range(3):
        play(newcomer, a)
        newcomer.clock.advance(0.1)
    assert a.state == newcomer.state == "OPEN"
    assert 0 < a.version == newcomer.version <= now_us(server)


@pytest.mark.parametrize("version", [AHEAD, VERSION_LIMIT - 1, 2**53])
def test_a_register_that_is_far_or_malformed_is_written_back_by_who_knows_the_override(
    server: Server, players: tuple[Player, Player], version: int | str
) -> None:
    a, b = players
    override = make_override("forced_open", by="ann", reason="t", seconds=None, now=a.clock())
    inside.put_here(a.circuit, override, "ann", "t")
    a.exchange.overrides.order(KEY, override, "ann", "t")
    play(a, b)
    assert b.state == "OPEN"
    known = inside.of(a.circuit).override_version
    as_register(server, far(server, version))
    for player in (a, b):
        player.exchange.read_all()
    play(a, b)
    for player in (a, b):
        assert player.state == "OPEN"
        assert inside.of(player.circuit).override_version == known
    assert known in versions_of(server)
