"""What ``status`` and ``show`` tell, and that they only read."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.fleet.names import Names
from tests.fleet.instances import CONFIG, cut_off, fail, fleet, probe, settled, succeed, until
from tests.fleet.server import Server
from tests.fleet.sessions import session_of, wake
from tests.fleet.speaker import PlainSpeaker
from tests.patience import PATIENCE

from .command import beside, on, process, process_beside, run

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

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/bold red]\u202e\n:smile:"


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
        assert breaker.instance in out
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
        assert row["writer"] == breaker.instance
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


async def test_instances_where_it_is_open_alone_are_named(server: Server) -> None:
    config = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, quorum=2)
    async with fleet(server, defaults=config) as (a, b):
        await fail(b, KEY)  # known to all, so that it is listed
        await b.reset(KEY)
        a.circuit(KEY)
        await until(lambda: 0 < a.stats(KEY).version == b.stats(KEY).version)
        await fail(a, KEY)
        votes = Names("circuit").evidence(KEY)
        await until(lambda: a.instance in (server.ask.hget(votes, ":votes") or ""))
        (row,) = (await beside(server, "status", "--json")).json["circuits"]
        assert (row["state"], row["open_at"]) == ("CLOSED", [a.instance])
        for order in (("status",), ("show", KEY)):
            out = (await beside(server, *order)).out
            assert "(open at 1)" in out
            assert f"{a.instance} (" in out


async def test_circuit_that_only_one_instance_has_open_is_listed(server: Server) -> None:
    """Nothing of it was ever told for all: neither the index nor a hash knows it."""
    config = CircuitConfig(failure_threshold=3, recovery_timeout=30.0, quorum=2)
    async with fleet(server, defaults=config) as (a, b):
        await fail(a, KEY)
        for _ in range(5):
            with pytest.raises(CircuitOpenError):
                await succeed(a, KEY)
        votes = Names("circuit").evidence(KEY)
        await until(lambda: a.instance in (server.ask.hget(votes, ":votes") or ""))
        for _ in range(2):  # a rate is between two signs of life
            beat(a)
            await settled(a)
        assert server.ask.keys(f"circuit:{KEY}") == []
        (row,) = (await beside(server, "status", "--json")).json["circuits"]
        assert (row["key"], row["state"], row["own_state"]) == (KEY, "CLOSED", None)
        assert row["open_at"] == [a.instance]
        assert "(open at 1)" in (await beside(server, "status")).out
        out = (await beside(server, "show", KEY)).out
        there = {line.split()[0]: line for line in out.splitlines() if "connected" in line}
        assert "✖ OPEN" in there[a.instance]
        assert "CLOSED, or unknown" in there[b.instance]
        assert (await beside(server, "reset", KEY)).code == 0
        await until(lambda: a.state(KEY) == "CLOSED")


def beat(breaker: HybridBreaker) -> None:
    """Have a sign of life given at once."""
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
        server.ask.zadd("circuit#{live}", {b.instance: seen})
        said = (await beside(server, "status", "--json")).json
        sync = {one["id"]: one["sync"] for one in said["instances"]}
        assert sync == {a.instance: "connected", b.instance: "isolated"}
        assert "isolated" in (await beside(server, "status")).out


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


# -- whatever stands there --------------------------------------------------------------------


def _seed_hostile(server: Server) -> None:
    why = json.dumps({"cause": "failures", "error": HOSTILE, "rule": HOSTILE, "by": HOSTILE})
    plain = {"state": "OPEN", "failures": 1, "successes": 0, "nextAttempt": 0}
    ours = {"version": 5, "writer": "abc", "at": 1, "sum": "OPEN|1|0|0", "p": 1}
    server.ask.hset(f"circuit:{KEY}", mapping={**plain, **ours, "why": why})
    about = json.dumps({"by": HOSTILE, "reason": HOSTILE})
    register = f"6|abc|forced_open|0|{about}"
    server.ask.hset("circuit#override:{circuit:" + KEY + "}", "override", register)
    server.ask.hset("circuit:turned\u202e", mapping=plain)
    server.ask.hset("circuit:bad-state", mapping={**plain, "state": HOSTILE})
    server.ask.hset("circuit:bad-number", mapping={**plain, "failures": "many"})
    server.ask.hset("circuit:bad-bytes", mapping={**plain, "state": b"\xff\xfe"})
    server.ask.set("circuit:text", HOSTILE)
    server.ask.hset("circuit#evidence:{circuit:votes}", ":of", "0|")
    server.ask.hset("circuit#evidence:{circuit:votes}", ":votes", f"{HOSTILE}:{2**52}")
    keys = [KEY, "turned\u202e", "bad-state", "bad-number", "bad-bytes", "text", "votes"]
    server.ask.zadd("circuit#index", dict.fromkeys(keys, 5) | {HOSTILE: 5, "x" * 300: 6, "y": -7})
    server.ask.sadd("circuit#overridden", KEY, HOSTILE, b"\xff")
    now = server.ask.time()[0] * 1000
    about = json.dumps({"host": HOSTILE, "started": 1, "version": HOSTILE})
    server.ask.zadd("circuit#{live}", {"abc": now, HOSTILE: now, "nobody": now, "list": now})
    server.ask.hset("circuit#{live}:about", mapping={"abc": about, "nobody": "{", "list": "[]"})


@pytest.mark.parametrize("order", [("status",), ("status", "--scan"), ("show", KEY)])
def test_hostile_texts_are_shown_and_do_no_harm(server: Server, order: tuple[str, ...]) -> None:
    _seed_hostile(server)
    variables = {"CIRCUIT_REDIS_URL": server.url, "COLUMNS": "1000"}  # so that nothing is folded
    for done in (run(*order, **variables), process(*order, **variables)):
        assert done.code == 0, done
        assert all(char.isprintable() or char == "\n" for char in done.out), done.out
        # Rule, error, by and reason of the state and the override; host and version.
        assert done.out.count("[bold red]x[/bold red]") >= 7
        assert ":smile:" in done.out
        assert done.err == ""
    said = on(server, *order, "--json")
    assert all(char.isprintable() or char == "\n" for char in said.out)


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(server: Server) -> None:
    _seed_hostile(server)
    said = on(server, "status", "--json").json
    rows = {row["key"]: row for row in said["circuits"]}
    for key in ("bad-state", "bad-number", "bad-bytes", "text"):
        assert rows[key]["state"] is None
        assert rows[key]["problem"].startswith("unreadable: ")
        assert on(server, "show", key).code == 0
    assert rows[KEY]["override"]["kind"] == "forced_open"
    assert [one["id"] for one in said["instances"]] == ["abc"]
    assert said["unreadable"] >= 5
    assert "unreadable" in on(server, "status").out


async def test_override_of_a_circuit_that_cannot_be_read_is_shown_and_ordered(
    server: Server,
) -> None:
    """A hash whose evidence is no text made the script's answer unreadable."""
    async with fleet(server, size=1) as (breaker,):
        await fail(breaker, KEY)
        await settled(breaker)
        server.ask.hset(f"circuit:{KEY}", "why", b'{"cause":"\xff"}')
        opened = await beside(server, "open", KEY, "--reason", "x", "--for", "1h", "--json")
        row = opened.json["circuit"]
        assert (row["state"], row["override"]["reason"]) == ("OPEN", "x")
        assert row["problem"] == ""
        assert (await beside(server, "clear", KEY)).code == 0
        row = (await beside(server, "reset", KEY, "--json")).json["circuit"]
        assert (row["state"], row["problem"]) == ("CLOSED", "")
        await until(lambda: breaker.state(KEY) == "CLOSED")


@pytest.mark.parametrize("name", ["index", "overridden", "live", "instances"])
def test_lists_of_another_type_do_no_harm(server: Server, name: str) -> None:
    server.ask.set(getattr(Names("circuit"), name), "of somebody")
    PlainSpeaker(server, KEY).say("OPEN", open_for=50.0)
    done = on(server, "status", "--scan")
    assert done.code == 0
    assert KEY in done.out
    assert on(server, "show", KEY).code == 0


def test_no_console_of_a_narrow_encoding_is_too_narrow(server: Server) -> None:
    PlainSpeaker(server, "жук").say("OPEN", open_for=50.0)
    done = process(
        *("status", "--scan"),
        CIRCUIT_REDIS_URL=server.url,
        PYTHONIOENCODING="ascii",
    )
    assert done.code == 0, done
    assert "? OPEN" in done.out


assert CONFIG.failure_threshold == 3  # what the texts above say


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
