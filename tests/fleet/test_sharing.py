"""What one instance learns, all learn."""

from __future__ import annotations

import json

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, hush, probe, settled, succeed, until
from .server import Server

pytestmark = pytest.mark.usefixtures("unhurried_answers")


async def test_trip_on_a_opens_b(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit("inventory-api")
        await fail(a, "inventory-api")
        await until(lambda: b.state("inventory-api") == "OPEN")
        with pytest.raises(CircuitOpenError) as caught:
            await succeed(b, "inventory-api")
        assert 0 < caught.value.retry_after <= 30.0
        assert b.stats("inventory-api").failures == 3


async def test_reset_on_b_closes_a(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(a, "inventory-api")
        await until(lambda: b.state("inventory-api") == "OPEN")
        assert await b.reset("inventory-api") == "fleet"
        await until(lambda: a.state("inventory-api") == "CLOSED")
        await succeed(a, "inventory-api")
        assert a.stats("inventory-api").version == b.stats("inventory-api").version > 0


async def test_reset_of_a_key_unknown_here_reaches_who_knows_it(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, "inventory-api")
        await settled(a)
        server.ask.flushall()
        async with fleet(server, 1) as (b,):
            assert await b.reset("inventory-api") == "fleet"
            await until(lambda: a.state("inventory-api") == "CLOSED")


async def test_late_joiner_knows_what_is_open_before_it_serves(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await fail(a, "inventory-api")
        await fail(a, "not declared by anyone")
        await settled(a)
        late = HybridBreaker(redis=server.url, circuits={"inventory-api": CONFIG})
        async with late:
            assert late.state("inventory-api") == "OPEN"
            assert late.state("not declared by anyone") == "OPEN"
            assert late.stats("inventory-api").retry_after <= 30.0


async def test_probes_of_one_instance_close_the_circuit_of_all(server: Server) -> None:
    defaults = CircuitConfig(failure_threshold=1, success_threshold=2, recovery_timeout=0.2)
    async with fleet(server, 3, defaults) as (a, b, c):
        for breaker in (a, b, c):
            breaker.circuit("inventory-api")
        await fail(a, "inventory-api", 1)
        await until(lambda: c.state("inventory-api") == "OPEN")
        await until(lambda: b.stats("inventory-api").retry_after == 0)
        await probe(b, "inventory-api")
        await until(lambda: c.state("inventory-api") == "HALF_OPEN")
        await probe(b, "inventory-api")
        for breaker in (a, c):
            await until(lambda b=breaker: b.state("inventory-api") == "CLOSED")


async def test_10000_healthy_calls_send_no_command(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        await succeed(a, "inventory-api")
        await settled(a)
        hush(a)
        before = server.commands()
        await succeed(a, "inventory-api", 10_000)
        await settled(a)
        assert server.commands() == before


async def test_a_whole_cycle_costs_one_script_per_change(server: Server) -> None:
    defaults = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.05)
    async with fleet(server, 1, defaults) as (a,):
        a.circuit("inventory-api")
        await settled(a)
        hush(a)
        server.ask.config_resetstat()
        await fail(a, "inventory-api", 1)
        await settled(a)
        assert server.ask.info("commandstats")["cmdstat_evalsha"]["calls"] <= 2  # one: NOSCRIPT
        assert server.hash("inventory-api")["state"] == "OPEN"


async def test_without_redis_it_works_alone() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    async with breaker:
        await fail(breaker, "inventory-api")
        assert breaker.state("inventory-api") == "OPEN"
        assert breaker.sync_status().state == "disabled"
        assert await breaker.reset("inventory-api") == "local"
        assert breaker.state("inventory-api") == "CLOSED"


async def test_two_namespaces_do_not_meet(server: Server) -> None:
    async with fleet(server, 1) as (a,), fleet(server, 1, namespace="other") as (b,):
        b.circuit("inventory-api")
        await fail(a, "inventory-api")
        await settled(a)
        assert b.sync_status().received == 0
        assert b.state("inventory-api") == "CLOSED"
        assert server.hash("inventory-api", "other") == {}


async def test_what_is_stored_is_the_pinned_format(server: Server) -> None:
    listener = server.ask.pubsub()
    listener.subscribe("circuit:updates")
    listener.get_message(timeout=PATIENCE)
    async with fleet(server, 1) as (a,):
        await fail(a, "stock/ä b:c")
        await settled(a)
    stored = server.hash("stock/ä b:c")
    now_ms = int(server.ask.time()[0]) * 1000
    assert stored["state"] == "OPEN"
    assert stored["failures"] == "3"
    assert stored["successes"] == "0"
    assert now_ms + 20_000 < int(stored["nextAttempt"]) < now_ms + 31_000
    assert stored["version"].isdigit()
    assert stored["p"] == "1"
    assert 3_500 < server.ask.ttl("circuit:stock/ä b:c") <= 3_631
    message = listener.get_message(timeout=PATIENCE)
    assert message is not None
    said = json.loads(message["data"])
    assert said["key"] == "stock/ä b:c"
    assert said["stats"] == {
        "state": "OPEN",
        "failures": 3,
        "successes": 0,
        "nextAttempt": int(stored["nextAttempt"]),
    }
    assert said["version"] == stored["version"]
    listener.close()
