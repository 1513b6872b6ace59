"""What ``status`` and ``show`` say of single instances."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.fleet.names import Names
from tests import inside
from tests.fleet.instances import cut_off, fail, fleet, settled, succeed, until
from tests.fleet.server import Server
from tests.fleet.sessions import session_of, wake
from tests.patience import PATIENCE

from .command import beside, on

KEY = "inventory-api"

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/bold red]\u202e\n:smile:"


async def test_instances_where_it_is_open_alone_are_named(server: Server) -> None:
    config = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, quorum=2)
    async with fleet(server, defaults=config) as (a, b):
        await fail(b, KEY)  # known to all, so that it is listed
        await b.reset(KEY)
        a.circuit(KEY)
        await until(lambda: 0 < a.stats(KEY).version == b.stats(KEY).version)
        await fail(a, KEY)
        votes = Names("circuit").evidence(KEY)
        await until(lambda: inside.sync_of(a).instance in (server.ask.hget(votes, ":votes") or ""))
        (row,) = (await beside(server, "status", "--json")).json["circuits"]
        assert (row["state"], row["open_at"]) == ("CLOSED", [inside.sync_of(a).instance])
        for order in (("status",), ("show", KEY)):
            out = (await beside(server, *order)).out
            assert "(open at 1)" in out
            assert f"{inside.sync_of(a).instance} (" in out


async def test_circuit_that_only_one_instance_has_open_is_listed(server: Server) -> None:
    """Nothing of it was ever told for all: neither the index nor a hash knows it."""
    config = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, quorum=2)
    async with fleet(server, defaults=config) as (a, b):
        await fail(a, KEY)
        for _ in range(5):
            with pytest.raises(CircuitOpenError):
                await succeed(a, KEY)
        votes = Names("circuit").evidence(KEY)
        await until(lambda: inside.sync_of(a).instance in (server.ask.hget(votes, ":votes") or ""))
        for _ in range(2):  # a rate is between two signs of life
            beat(a)
            await settled(a)
        assert server.ask.keys(f"circuit:{KEY}") == []
        (row,) = (await beside(server, "status", "--json")).json["circuits"]
        assert (row["key"], row["state"], row["own_state"]) == (KEY, "CLOSED", None)
        assert row["open_at"] == [inside.sync_of(a).instance]
        assert "(open at 1)" in (await beside(server, "status")).out
        out = (await beside(server, "show", KEY)).out
        there = {line.split()[0]: line for line in out.splitlines() if "connected" in line}
        assert "✖ OPEN" in there[inside.sync_of(a).instance]
        assert "CLOSED, or unknown" in there[inside.sync_of(b).instance]
        assert (await beside(server, "reset", KEY)).code == 0
        await until(lambda: a.state(KEY) == "CLOSED")


def beat(breaker: HybridBreaker) -> None:
    """Send a heartbeat at once."""
    session = session_of(breaker)
    session.exchange.heartbeat.beat()
    wake(session)


def test_what_an_instance_told_before_the_last_change_is_marked(server: Server) -> None:
    now = server.ask.time()[0] * 1000
    about = json.dumps({"host": "box", "started": 1, "version": "1", "circuits": {}})
    for name, seen in (("early", now - 2000), ("late", now + 60_000)):
        server.ask.zadd("circuit#{live}", {name: seen})
        server.ask.hset("circuit#{live}:about", name, about)
    on(server, "open", KEY, "--reason", "x", "--for", "1h")
    out = on(server, "show", KEY).out
    assert "last report" in out
    there = {line.split()[0]: line for line in out.splitlines() if "CLOSED, or unknown" in line}
    assert "(before the last change)" in there["early"]
    assert "(before the last change)" not in there["late"]


def test_rejected_calls_of_all_instances_are_added_up(server: Server) -> None:
    now = server.ask.time()[0] * 1000
    for name, circuits in (
        ("abc", {KEY: ["OPEN", 2.5], HOSTILE: ["OPEN", 1], "..": ["OPEN", 1]}),
        ("def", {KEY: ["CLOSED", 1.5], "strange": ["AJAR", "x"]}),
        ("old", None),
    ):
        about = {"host": "box", "started": 1, "version": "1", "circuits": circuits}
        server.ask.zadd("circuit#{live}", {name: now})
        server.ask.hset("circuit#{live}:about", name, json.dumps(about))
    (row,) = on(server, "status", "--json").json["circuits"]
    assert (row["key"], row["rejecting"]) == (KEY, 4.0)
    assert "4.0/s" in on(server, "status").out
    out = on(server, "show", KEY).out
    assert "✖ OPEN, rejecting 2.5/s" in out
    assert "✔ CLOSED, rejecting 1.5/s" in out
    assert "not reported" in out


async def test_instance_that_is_not_heard_of_is_isolated(server: Server) -> None:
    async with fleet(server) as (a, b):
        await cut_off(b)
        seconds, microseconds = server.ask.time()
        seen = int(seconds * 1000 + microseconds / 1000) - 20_000
        server.ask.zadd("circuit#{live}", {inside.sync_of(b).instance: seen})
        said = (await beside(server, "status", "--json")).json
        sync = {one["id"]: one["sync"] for one in said["instances"]}
        assert sync == {
            inside.sync_of(a).instance: "connected",
            inside.sync_of(b).instance: "isolated",
        }
        assert "isolated" in (await beside(server, "status")).out


async def test_instance_in_shadow_mode_tells_what_it_would_have_rejected(server: Server) -> None:
    async with fleet(server) as (a, b):
        await fail(a, "trial")
        await until(lambda: b.state("trial") == "OPEN")
        await a.override("trial", "shadow", by="ann", reason="a trial", seconds=None)
        await until(lambda: b.stats("trial").mode == "shadow")
        await succeed(b, "trial")
        await fail(b, "trial", times=3)
        instance = b.sync_status().instance

        async def told() -> dict[str, Any]:
            found = (await beside(server, "show", "trial", "--json")).json["instances"]
            (one,) = [one for one in found if one["id"] == instance]
            return dict((one["circuits"] or {}).get("trial") or {})

        async with asyncio.timeout(PATIENCE):
            while (said := await told()).get("shadowed") != 4:
                await asyncio.sleep(0.2)  # each instance reports every 5 s
        assert (said["state"], said["shadowed_failures"]) == ("OPEN", 3)
        text = " ".join((await beside(server, "show", "trial")).out.split())
        assert "shadow mode: 4 would have been rejected (75% failed)" in text


async def test_most_of_the_last_openings_from_one_instance_are_said(server: Server) -> None:
    async with fleet(server, 3) as (sick, *well):
        for breaker in (sick, *well):
            breaker.circuit(KEY)
        await settled(sick, *well)
        for opener in (well[0], sick, sick, well[1], sick, sick):
            await fail(opener, KEY)
            await until(lambda: all(one.state(KEY) == "OPEN" for one in (sick, *well)))
            await settled(sick, *well)
            await opener.reset(KEY)
            await until(lambda: all(one.state(KEY) == "CLOSED" for one in (sick, *well)))
            await settled(sick, *well)
        said = f"4 of the last 5 openings came from instance {sick.sync_status().instance}"
        for order in (("show", KEY), ("status",)):
            done = await beside(server, *order)
            assert said in " ".join(done.out.split()), done
        shown = await beside(server, "show", KEY, "--json")
        assert len(shown.json["circuit"]["openers"]) == 5


@pytest.mark.parametrize(
    ("openers", "said"),
    [
        ("a a", ""),
        ("a b a", "2 of the last 3 openings came from instance a"),
        ("a b a b", ""),
        ("a a a a a", "5 of the last 5 openings came from instance a"),
        ("\x1b[2J b b b ../x", "3 of the last 3 openings came from instance b"),
        ("x " * 10_000 + "b b b", "3 of the last 5 openings came from instance b"),
    ],
)
def test_openers_are_counted_over_the_last_five_that_are_names(
    server: Server, openers: str, said: str
) -> None:
    four = {"state": "CLOSED", "failures": "0", "successes": "0", "nextAttempt": "0"}
    server.ask.hset(f"circuit:{KEY}", mapping={**four, "openers": openers})
    done = on(server, "show", KEY)
    assert done.code == 0
    assert ("openings came from" in done.out) is bool(said)
    assert said in done.out
