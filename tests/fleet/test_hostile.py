"""Whatever stands in Redis or comes over the channel: dropped, counted, survived."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitState, HybridBreaker
from fastapi_hybrid_breaker.fleet.answers import parse_lease, parse_reply
from fastapi_hybrid_breaker.fleet.messages import (
    HASH_FIELDS,
    LARGEST_MESSAGE,
    parse_hash,
    parse_message,
)
from fastapi_hybrid_breaker.fleet.values import VERSION_LIMIT, MalformedError
from tests import inside

from .instances import CONFIG, fail, fleet, settled, succeed, until
from .server import Server
from .sessions import session_of

pytestmark = pytest.mark.every_server

KEY = "inventory-api"

BAD_MESSAGES: list[bytes] = [
    b"",
    b"hello",
    b"[]",
    b"null",
    b"{}",
    b'{"key": "a"}',
    b'{"key": 7, "stats": {"state": "OPEN"}}',
    b'{"key": "", "stats": {"state": "OPEN"}}',
    b'{"key": "../x", "stats": {"state": "OPEN"}}',
    b'{"key": "a", "stats": []}',
    b'{"key": "a", "stats": {"state": "AJAR"}}',
    b'{"key": "a", "stats": {"state": ["OPEN"]}}',
    b'{"key": "a", "stats": {"state": "OPEN", "failures": -1}}',
    b'{"key": "a", "stats": {"state": "OPEN", "failures": true}}',
    b'{"key": "a", "stats": {"state": "OPEN", "failures": NaN}}',
    b'{"key": "a", "stats": {"state": "OPEN", "nextAttempt": 1e400}}',
    b'{"key": "a", "stats": {"state": "OPEN", "nextAttempt": "soon"}}',
    b'{"key": "a", "stats": {"state": "OPEN"}, "p": 0}',
    b'{"key": "a", "stats": {"state": "OPEN"}, "p": 1}',
    b'{"key": "a", "stats": {"state": "OPEN"}, "p": 1, "version": 5, "writer": "x", "at": 1}',
    b'{"key": "a", "stats": {"state": "OPEN"}, "p": 1, "version": "5", "writer": "\\"", "at": 1}',
    b'{"key": "a", "stats": {"state": "OPEN"}, "p": 1, "version": "1e9", "writer": "x", "at": 1}',
    b"\xff\xfe\x00",
    b"[" * 30_000,
    b'{"key": "' + b"a" * (LARGEST_MESSAGE + 1) + b'"}',
    b"9" * 5_000,
]


@pytest.mark.parametrize("data", BAD_MESSAGES, ids=lambda data: data[:70].decode("latin-1"))
def test_malformed_message_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_message(data)


def test_version_at_the_limit_is_malformed(message: dict[str, Any]) -> None:
    message["version"] = str(VERSION_LIMIT - 1)
    assert parse_message(json.dumps(message).encode())[1].version == VERSION_LIMIT - 1
    message["version"] = str(VERSION_LIMIT)
    with pytest.raises(MalformedError, match="version"):
        parse_message(json.dumps(message).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
PART = st.sampled_from(["state", "failures", "successes", "nextAttempt"])


@given(
    key=st.text(max_size=10) | JSON,
    stats=st.dictionaries(PART, JSON | st.sampled_from(["OPEN", "CLOSED"])) | JSON,
    own=st.dictionaries(st.sampled_from(["p", "version", "writer", "at"]), JSON),
)
def test_no_message_raises_anything_else_or_yields_a_state_outside_the_enum(
    key: Any, stats: Any, own: dict[str, Any]
) -> None:
    data = json.dumps({"key": key, "stats": stats} | own).encode()
    try:
        _, heard, _ = parse_message(data)
    except MalformedError:
        return
    assert heard.state in CircuitState
    assert heard.remaining(None) >= 0
    assert heard.remaining(1.0) <= 86_400


@pytest.mark.parametrize(
    "override",
    [[], 5, {"kind": []}, {"kind": "on_fire"}, {"kind": "-"}, {"kind": "-", "version": "5"}],
    ids=str,
)
def test_a_message_with_a_spoilt_override_is_malformed(
    message: dict[str, Any], override: object
) -> None:
    with pytest.raises(MalformedError):
        parse_message(json.dumps(message | {"override": override}).encode())


@given(st.lists(st.none() | st.binary(max_size=30), min_size=15, max_size=15))
def test_no_hash_raises_anything_else(values: list[bytes | None]) -> None:
    assert len(values) == len(HASH_FIELDS)
    try:
        heard = parse_hash(values)
    except MalformedError:
        return
    assert heard is None or heard.state in CircuitState


@pytest.mark.parametrize("answer", [None, [], [b"done"], [b"done"] * 9, [b"\xff"] * 9, [1] * 9])
def test_answer_of_the_script_that_is_none_is_refused(answer: object) -> None:
    with pytest.raises(MalformedError):
        parse_reply(answer)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        [b"granted"],
        [b"\xff", b"4000", b"1", b"0"],
        [b"granted", b"soon", b"1", b"0"],
        [b"granted", b"-1", b"1", b"0"],
        [b"granted", b"4000", b"0", b"0"],
        [1, 2, 3, 4],
    ],
)
def test_answer_about_a_lease_that_is_none_is_refused(answer: object) -> None:
    with pytest.raises(MalformedError):
        parse_lease(answer)


async def test_hostile_messages_are_counted_logged_once_and_harm_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await settled(a, b)
        with caplog.at_level(logging.WARNING, "fastapi_hybrid_breaker"):
            for data in BAD_MESSAGES:
                server.ask.publish("circuit:updates", data)
            await until(lambda: b.sync_status().dropped == len(BAD_MESSAGES))
        lines = [record for record in caplog.records if "dropped" in record.getMessage()]
        assert len(lines) == 2  # one an instance, not one a message
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert [circuit.key for circuit in b.circuits()] == [KEY]
        assert b.sync_status().state == "connected"


async def test_message_for_a_key_nobody_uses_makes_no_circuit(server: Server) -> None:
    async with fleet(server, 1) as (a,):
        for number in range(300):
            said = {"key": f"nobody-{number}", "stats": {"state": "OPEN", "nextAttempt": 2**52}}
            server.ask.publish("circuit:updates", json.dumps(said))
        await until(lambda: a.sync_status().received == 300)
        await settled(a)
        assert list(a.circuits()) == []


async def test_flood_of_foreign_open_keys_never_makes_more_than_max_circuits(
    server: Server,
) -> None:
    with server.ask.pipeline() as pipe:
        for number in range(200):
            pipe.hset(f"circuit:k{number}", mapping={"state": "OPEN", "nextAttempt": str(2**52)})
        pipe.execute()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG, max_circuits=50)
    async with breaker:
        await succeed(breaker, "used here")
        for number in range(200):
            said = {"key": f"k{number}", "stats": {"state": "OPEN", "nextAttempt": 2**52}}
            server.ask.publish("circuit:updates", json.dumps(said))
        await until(lambda: breaker.sync_status().received == 200)
        await settled(breaker)
        assert len(list(breaker.circuits())) == 50
        assert inside.registry_of(breaker).get("used here") is not None
        assert breaker.sync_status().dropped >= 150


@pytest.mark.parametrize(
    "nonsense",
    [
        {"state": "AJAR", "failures": "many"},
        {"state": "OPEN", "version": "99999999999999999999", "writer": "x", "p": "1"},
        {"state": "OPEN", "version": "12", "writer": "x", "p": "none"},
        {"other": "thing"},
        {"state": b"\xff\xfe", "version": "1"},
    ],
    ids=str,
)
async def test_nonsense_in_a_hash_is_survived_and_written_over(
    server: Server, nonsense: dict[str, Any]
) -> None:
    server.ask.hset(f"circuit:{KEY}", mapping=nonsense)
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        assert a.state(KEY) in CircuitState
        assert await a.reset(KEY) == "fleet"
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert server.hash(KEY)["state"] == "OPEN"


async def test_key_of_another_type_in_its_place_is_left_alone(server: Server) -> None:
    server.ask.lpush(f"circuit:{KEY}", "somebody's list")
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        assert a.state(KEY) == "OPEN"
        await fail(a, "other")
        await until(lambda: b.state("other") == "OPEN")
        assert a.sync_status().state == "connected"
        assert a.sync_status().dropped >= 1
        assert server.ask.lrange(f"circuit:{KEY}", 0, -1) == ["somebody's list"]
        assert await a.reset(KEY) == "queued"  # nothing is claimed that did not happen


async def test_index_full_of_nonsense_is_survived(server: Server) -> None:
    server.ask.zadd("circuit#index", {"../x": 5, "a": 1e300, "b": 2**53, "fine": 7})
    async with fleet(server) as (a, b):
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert a.sync_status().dropped == 3


async def test_index_of_another_type_does_not_stop_the_sharing(server: Server) -> None:
    server.ask.set("circuit#index", "somebody's string")
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert a.sync_status().state == "connected"


async def test_10000_keys_stay_bounded_with_sharing_on(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG, max_circuits=1_000)
    async with breaker:
        for number in range(10_000):
            breaker.circuit(f"tenant-{number}")
            if number % 1_000 == 0:
                await asyncio.sleep(0)
        assert len(list(breaker.circuits())) == 1_000
        session = session_of(breaker)
        assert len(session.own.work) <= 2_000
        await settled(breaker)
        assert breaker.sync_status().state == "connected"
