"""Redis killed, restarted, hung, flushed: protection stays, and the fleet agrees again."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker

from .instances import CONFIG, fail, fleet, settled, succeed, until
from .server import Server, free_port
from .sessions import session_of, set_next_heartbeat, wake

pytestmark = pytest.mark.every_server


def states(*breakers: HybridBreaker) -> set[str]:
    return {breaker.sync_status().state for breaker in breakers}


async def test_killed_and_restarted_the_fleet_agrees_again(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit("inventory-api")
        server.kill()
        await until(lambda: states(a, b) == {"isolated"})
        await fail(a, "inventory-api")
        assert a.state("inventory-api") == "OPEN"
        await succeed(b, "inventory-api")
        server.start()
        await until(lambda: b.state("inventory-api") == "OPEN")
        await until(lambda: states(a, b) == {"connected"})
        assert await b.reset("inventory-api") == "fleet"
        await until(lambda: a.state("inventory-api") == "CLOSED")


async def test_open_circuit_survives_a_server_that_forgot_everything(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit("inventory-api")
        await fail(a, "inventory-api")
        await until(lambda: b.state("inventory-api") == "OPEN")
        version = b.stats("inventory-api").version
        server.restart()
        await until(lambda: server.hash("inventory-api").get("state") == "OPEN")
        await until(lambda: states(a, b) == {"connected"})
        assert int(server.hash("inventory-api")["version"]) == version
        assert a.state("inventory-api") == b.state("inventory-api") == "OPEN"
        async with fleet(server, 1) as (late,):
            assert late.state("inventory-api") == "OPEN"


async def test_flushed_while_open_is_written_back_by_the_repair(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit("inventory-api")
        await fail(a, "inventory-api")
        await until(lambda: b.state("inventory-api") == "OPEN")
        await settled(a, b)
        before = server.hash("inventory-api")
        server.ask.flushall()
        for breaker in (a, b):
            session = session_of(breaker)
            session.exchange.rereading.repair()
            wake(session)
        await until(lambda: server.hash("inventory-api").get("version") == before["version"])
        await settled(a, b)
        assert server.hash("inventory-api")["state"] == "OPEN"
        assert server.hash("inventory-api")["writer"] == before["writer"]
        assert a.state("inventory-api") == b.state("inventory-api") == "OPEN"


async def test_flushed_it_is_told_all_again_by_who_gives_the_next_sign_of_life(
    server: Server,
) -> None:
    async with fleet(server, 1) as (one,):
        await one.circuit("closed").reset()
        await fail(one, "open")
        await one.override("forced", "forced_open", by="ann", reason="a migration", seconds=None)
        one.circuit("calm")
        await settled(one)
        versions = {key: one.stats(key).version for key in ("closed", "open")}
        assert all(versions.values())
        server.ask.flushall()
        session = session_of(one)
        set_next_heartbeat(session.exchange, 0.0)
        wake(session)
        await until(lambda: server.hash("open") and server.hash("closed") and server.hash("forced"))
        await settled(one)
        for key, version in versions.items():
            assert int(server.hash(key)["version"]) == version
        assert server.hash("forced")["state"] == "OPEN"
        assert not server.hash("calm")


async def test_scripts_lost_are_loaded_again(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit("inventory-api")
        await fail(a, "inventory-api")
        await until(lambda: b.state("inventory-api") == "OPEN")
        server.ask.script_flush()
        assert await a.reset("inventory-api") == "fleet"
        await until(lambda: b.state("inventory-api") == "CLOSED")
        assert states(a, b) == {"connected"}


async def test_hung_is_noticed_and_guarded_calls_go_on_without_waiting(server: Server) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            await succeed(breaker, "inventory-api")
        await settled(a, b)
        server.hang()
        # Not timed but counted: while none of these calls gives the event loop a turn, nothing
        # of it can have waited for anything.
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        await succeed(a, "inventory-api", 1_000)
        await fail(a, "inventory-api", 3)
        assert a.state("inventory-api") == "OPEN"
        assert turns == 0
        counting.cancel()
        await until(lambda: states(a, b) == {"isolated"})
        server.resume()
        await until(lambda: states(a, b) == {"connected"})
        await until(lambda: b.state("inventory-api") == "OPEN")


async def test_hung_in_half_open_admits_probes_without_waiting(server: Server) -> None:
    defaults = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.05)
    async with fleet(server, 1, defaults) as (a,):
        await fail(a, "inventory-api", 1)
        await settled(a)
        server.hang()
        await until(lambda: a.stats("inventory-api").retry_after == 0)
        turns: list[int] = []
        asyncio.get_running_loop().call_soon(turns.append, 1)
        await succeed(a, "inventory-api")
        assert a.state("inventory-api") == "CLOSED"
        assert turns == []
        server.resume()
        await until(lambda: server.hash("inventory-api").get("state") == "CLOSED")


async def test_start_without_redis_serves_and_joins_later(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
        async with breaker:
            assert breaker.sync_status().state == "isolated"
            await fail(breaker, "inventory-api")
            assert breaker.state("inventory-api") == "OPEN"
            assert await breaker.reset("inventory-api") == "queued"
            server.start()
            await until(lambda: breaker.sync_status().state == "connected")
            await until(lambda: server.hash("inventory-api").get("state") == "CLOSED")
    lost = [
        record.getMessage() for record in caplog.records if "is unreachable" in record.getMessage()
    ]
    assert len(lost) == 1  # once per outage, however many tries


async def test_credentials_are_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    breaker = HybridBreaker(redis=f"redis://operator:hunter2@127.0.0.1:{port}/3")
    with caplog.at_level(logging.DEBUG):
        async with breaker:
            assert breaker.sync_status().state == "isolated"
    shown = caplog.text + repr(breaker) + repr(breaker.sync_status())
    assert f"127.0.0.1:{port}, database 3" in shown
    assert "hunter2" not in shown
    assert "operator" not in shown


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost:6379", "redis://:hun/ter2@host:port/x", "redis://[::1"]
)
def test_wrong_url_is_an_error_at_construction_that_shows_no_password(url: str) -> None:
    with pytest.raises(ValueError, match="redis must be a Redis URL") as caught:
        HybridBreaker(redis=url)
    assert "ter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:6379/0?unknown=1", "options is unknown: unknown"),
        ("redis://:s3cret@h/notadb", "the database's number"),
        ("redis://h/-1", "the database's number"),
    ],
)
def test_a_url_that_could_never_connect_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refusal:
        HybridBreaker(redis=url)
    assert "s3cret" not in str(refusal.value)


def test_something_else_than_a_client_is_refused() -> None:
    with pytest.raises(TypeError, match="redis must be a URL"):
        HybridBreaker(redis=42)  # type: ignore[arg-type]


@pytest.mark.parametrize("trouble", ["well", "killed", "hung", "never there"])
async def test_stop_leaves_nothing_behind_whatever_redis_does(server: Server, trouble: str) -> None:
    before = asyncio.all_tasks()
    if trouble == "never there":
        server.kill()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    await fail(breaker, "inventory-api")
    if trouble == "killed":
        server.kill()
    if trouble == "hung":
        server.hang()
    async with asyncio.timeout(30):  # a bound against hanging; what is promised is 2 s
        await breaker.stop()
    assert asyncio.all_tasks() == before
    assert breaker.sync_status().state == "disabled"
    gc.collect()  # an unclosed socket would warn, and warnings are errors
    await fail(breaker, "other")
    assert breaker.state("other") == "OPEN"


async def test_what_happened_just_before_the_stop_still_reaches_the_fleet(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        async with fleet(server, 1) as (b,):
            await fail(b, "inventory-api")
        await until(lambda: a.state("inventory-api") == "OPEN")


async def test_a_server_that_accepts_and_says_nothing_is_isolation() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        breaker = HybridBreaker(redis=f"redis://127.0.0.1:{mute.getsockname()[1]}")
        async with breaker:
            await fail(breaker, "inventory-api", 5)
            assert breaker.sync_status().state == "isolated"
            assert breaker.state("inventory-api") == "OPEN"


async def test_since_tells_when_it_became_so(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        connected = a.sync_status()
        assert connected.state == "connected"
        assert connected.since <= time.time()
        server.kill()
        await until(lambda: a.sync_status().state == "isolated")
        assert a.sync_status().since >= connected.since
        assert a.sync_status().instance == connected.instance != ""
