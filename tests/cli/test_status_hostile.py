"""What ``status`` and ``show`` make of whatever stands in Redis."""

from __future__ import annotations

import json

import pytest

from fastapi_hybrid_breaker.fleet.names import Names
from tests.fleet.instances import fail, fleet, settled, until
from tests.fleet.server import Server
from tests.fleet.speaker import PlainSpeaker

from .command import beside, on, process, run

KEY = "inventory-api"

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]x[/bold red]\u202e\n:smile:"


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
