"""What ``status`` and ``show`` tell, and that they only read."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.fleet.names import Names
from tests import inside
from tests.fleet.instances import CONFIG, fail, fleet, probe, settled, succeed, until
from tests.fleet.server import Server
from tests.fleet.sessions import session_of, wake
from tests.fleet.speaker import PlainSpeaker

from .command import beside, on, process_beside, run

KEY = "inventory-api"

ROW = {
    *("key", "state", "own_state", "why", "since", "next_attempt", "retry_after", "failures"),
    "ready_to_probe",
    *("successes", "reopenings", "version", "writer", "plain", "override", "open_at"),
    "rejecting",
    *("evidence", "problem", "openers"),
}
READING = {
    *("time", "zrevrangebyscore", "smembers", "zrange", "hgetall", "hmget", "hget", "scan"),
    *("client|setinfo", "hello", "select", "client", "config|resetstat", "info", "ping"),
}
"""Commands that write nothing, and those that say who connects."""


def test_empty_redis_has_nothing_to_show(server: Server) -> None:
    done = on(server, "status")
    assert done.code == 0
    assert "No circuit has changed its state" in done.out
    assert "No instance is alive" in done.out
    said = on(server, "status", "--json").json
    assert (said["circuits"], said["instances"]) == ([], [])
    assert server.ask.keys("*") == []


async def test_status_lists_circuits_the_worst_first(server: Server) -> None:
    quick = CircuitConfig(failure_threshold=3, success_threshold=2, recovery_timeout=0.05)
    async with fleet(server, size=1, circuits={"probing": quick}) as (breaker,):
        await fail(breaker, "a-closed")
        await breaker.reset("a-closed")
        await breaker.override("a-disabled", "disabled", by="bob", reason="it lies", seconds=None)
        await fail(breaker, "z-open")
        await fail(breaker, "probing")
        await until(lambda: breaker.stats("probing").retry_after == 0.0)
        await probe(breaker, "probing")
        await breaker.override("b-forced", "forced_open", by="ann", reason="moving", seconds=500)
        await settled(breaker)
        said = (await process_beside(server, "status", "--json")).json
        found = [(row["key"], row["state"]) for row in said["circuits"]]
        assert found == [
            ("b-forced", "OPEN"),
            ("z-open", "OPEN"),
            ("probing", "HALF_OPEN"),
            ("a-disabled", "CLOSED"),
            ("a-closed", "CLOSED"),
        ]
        out = (await process_beside(server, "status")).out
        lines = {line.split()[2]: line for line in out.splitlines() if "✖ OPEN" in line}
        assert "3 failures in a row; ConnectionError" in lines["z-open"]
        assert re.search(r" in \d+s ", lines["z-open"])
        assert re.search(r"forced_open by ann: moving \(\dm( \d+s)? left\)", out)
        assert "disabled by bob: it lies (until cleared)" in out
        assert "✖ 2 OPEN  ◐ 1 HALF_OPEN  ✔ 2 CLOSED" in out
        assert inside.sync_of(breaker).instance in out
        assert "connected" in out


async def test_a_circuit_that_nobody_calls_is_ready_to_probe(server: Server) -> None:
    quick = CircuitConfig(failure_threshold=3, recovery_timeout=0.2)
    async with fleet(server, size=1, circuits={"idle": quick}) as (breaker,):
        await fail(breaker, "idle")
        await until(lambda: breaker.stats("idle").ready_to_probe)
        await fail(breaker, "open")
        await settled(breaker)
        session = session_of(breaker)
        session.exchange.heartbeat.beat()
        wake(session)
        await settled(breaker)
        said = (await beside(server, "status", "--json")).json["circuits"]
        found = [(row["key"], row["state"], row["ready_to_probe"]) for row in said]
        assert found == [("open", "OPEN", False), ("idle", "OPEN", True)]
        out = (await beside(server, "status")).out
        (line,) = [line for line in out.splitlines() if " idle " in line]
        assert "◌ ready to probe" in line
        assert "next call" in line
        assert "✖ 1 OPEN  ◐ 0 HALF_OPEN  ✔ 0 CLOSED  ◌ 1 ready to probe" in out
        shown = (await beside(server, "show", "idle")).out
        assert shown.count("◌ ready to probe") == 2  # for all, and at the instance


async def test_a_narrow_terminal_shows_every_column(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, "a-rather-long-name.example.com:8443")
        await breaker.override("held", "forced_open", by="ann@desk", reason="moving", seconds=None)
        await settled(breaker)
        variables = {"CIRCUIT_REDIS_URL": server.url, "COLUMNS": "80"}
        out = (await asyncio.to_thread(run, "status", **variables)).out
        words = {word for line in out.splitlines() for word in line.split()}
        for heading in ("state", "circuit", "why", "since", "next", "attempt", "failures"):
            assert heading in words, out
        assert {"(forced", "ann@desk:", "when", "cleared"} <= words, out


async def test_json_has_the_shape_that_is_documented(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await breaker.override("held", "forced_open", by="ann", reason="x", seconds=500)
        await settled(breaker)
        said = (await beside(server, "status", "--json")).json
        assert set(said) == {
            *("namespace", "redis", "at", "circuits", "instances", "quiet", "unreadable"),
        }
        assert said["redis"] == f"127.0.0.1:{server.port}, database 0"
        held, row = said["circuits"]
        assert set(row) == set(held) == ROW
        assert row["state"] == row["own_state"] == "OPEN"
        assert (row["failures"], row["override"], row["open_at"]) == (3, None, [])
        assert row["evidence"]["rule"] == "3 failures in a row"
        assert row["version"] == breaker.stats(KEY).version
        assert row["writer"] == inside.sync_of(breaker).instance
        assert 0 < row["retry_after"] <= 30
        assert row["next_attempt"] == pytest.approx(said["at"] + row["retry_after"])
        assert row["since"] <= said["at"]
        assert held["own_state"] is None
        assert held["override"].keys() == {"kind", "by", "reason", "remaining"}
        (instance,) = said["instances"]
        assert instance.keys() >= {"id", "host", "started", "last_seen", "sync", "library"}
        shown = (await beside(server, "show", KEY, "--json")).json
        assert set(shown) == {"namespace", "redis", "at", "circuit", "instances"}
        assert set(shown["circuit"]) == ROW


async def test_what_is_under_an_override_is_shown(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await breaker.override(KEY, "disabled", by="ann", reason="it lies", seconds=100)
        await settled(breaker)
        row = (await beside(server, "show", KEY, "--json")).json["circuit"]
        assert (row["state"], row["own_state"]) == ("CLOSED", "OPEN")
        out = (await beside(server, "show", KEY)).out
        assert "✔ CLOSED (disabled)" in out
        assert "disabled by ann: it lies (1m" in out
        assert "3 failures in a row" in out


def test_circuit_of_a_plain_speaker_is_shown(server: Server) -> None:
    PlainSpeaker(server, "theirs/a b").say("OPEN", failures=7, open_for=50.0)
    row = on(server, "show", "theirs/a b", "--json").json["circuit"]
    assert (row["state"], row["failures"], row["plain"]) == ("OPEN", 7, True)
    assert 45 < row["retry_after"] <= 50
    assert (row["version"], row["writer"], row["since"]) == (0, "", None)
    assert "basic format" in on(server, "show", "theirs/a b").out
    # Nobody has listed it; to look for such costs a walk over all keys.
    assert on(server, "status", "--json").json["circuits"] == []
    (found,) = on(server, "status", "--json", "--scan").json["circuits"]
    assert found["key"] == "theirs/a b"


def test_scan_finds_nothing_but_circuits_of_its_namespace(server: Server) -> None:
    PlainSpeaker(server, KEY).say("OPEN", open_for=50.0)
    for name in ("circuits:x", "circuit#index", "circuit#override:{circuit:y}", "other:z"):
        if name != "circuit#index":
            server.ask.hset(name, mapping={"state": "OPEN", "failures": 1})
    server.ask.set("circuit:text", "of somebody")
    found = on(server, "status", "--json", "--scan").json["circuits"]
    assert [row["key"] for row in found] == [KEY]
    strange = on(server, "status", "--json", "--scan", "--namespace", "c*").json
    assert (strange["circuits"], strange["quiet"]) == ([], 0)  # "*" is a letter there


async def test_circuit_of_which_nothing_is_left_is_counted_as_quiet(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await breaker.reset(KEY)
        await settled(breaker)
    server.ask.delete(f"circuit:{KEY}")  # as an hour would
    said = (await beside(server, "status", "--json")).json
    assert (said["circuits"], said["quiet"]) == ([], 1)
    assert "1 without a change in the last hour" in (await beside(server, "status")).out


async def test_status_and_show_write_nothing(server: Server) -> None:
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await breaker.override("held", "forced_open", by="ann", reason="x", seconds=500)
        await succeed(breaker, "calm")
        await settled(breaker)
    PlainSpeaker(server, "theirs").say("OPEN", open_for=50.0)
    server.ask.zadd("circuit#index", {"theirs": 5})

    def everything() -> dict[str, Any]:
        return {name: server.ask.dump(name) for name in server.ask.keys("*")}

    # Bytes, for what is dumped is no text.
    server.ask.connection_pool.connection_kwargs["decode_responses"] = False
    server.ask.connection_pool.disconnect()
    try:
        before = everything()
        server.ask.config_resetstat()
        for order in (("status",), ("status", "--scan"), ("show", KEY), ("status", "--json")):
            assert (await beside(server, *order)).code == 0
        stats: Any = server.ask.info("commandstats")
        after = everything()
    finally:
        server.ask.connection_pool.connection_kwargs["decode_responses"] = True
        server.ask.connection_pool.disconnect()
    assert after == before
    assert {str(name).removeprefix("cmdstat_") for name in stats} <= READING


def test_thousand_circuits(server: Server) -> None:
    names = Names("circuit")
    pipe = server.ask.pipeline()
    for number in range(1_000):
        state = "OPEN" if number == 777 else "CLOSED"
        key = f"host-{number:04}:443"
        pipe.hset(
            names.hash(key),
            mapping={
                "state": state,
                "failures": 0,
                "successes": 0,
                "nextAttempt": 0,
                "p": 1,
                "version": 10**15 + number,
                "writer": "abc",
                "at": 10**12,
                "sum": f"{state}|0|0|0",
            },
        )
        pipe.zadd(names.index, {key: 10**15 + number})
    pipe.execute()
    server.ask.config_resetstat()
    done = on(server, "status")
    assert done.code == 0
    circuits = [line for line in done.out.splitlines() if "host-" in line]
    assert len(circuits) == 1_000
    assert "host-0777:443" in circuits[0]
    assert "✖ 0 OPEN  ◐ 0 HALF_OPEN  ✔ 999 CLOSED  ◌ 1 ready to probe" in done.out


assert CONFIG.failure_threshold == 3  # what the texts above say
