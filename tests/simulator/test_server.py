"""The simulated server answers as a real one, command by command and script by script."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import NoScriptError, ResponseError

from simulator import loop
from simulator.network import Client
from simulator.server.server import Server as Simulated
from simulator.server.store import Store
from simulator.wire import Link

if TYPE_CHECKING:
    from tests.fleet.server import Server

KEYS = st.sampled_from(["a", "b"])
FIELDS = st.sampled_from(["x", "y", "z", "ж"])
NUMBERS = st.sampled_from(["-3", "0", "1", "2", "17", "1790000000000000"])
SCORES = st.sampled_from(["-1.5", "0", "1", "2", "0.1", "1790000000000001", "inf"])
BOUNDS = st.sampled_from(["-inf", "+inf", "0", "(1", "1", "(0.1", "2"])
RANKS = st.sampled_from(["0", "1", "2", "-1", "-2", "-5"])
SECONDS = st.sampled_from(["1000", "5000"])


def command(name: str, *parts: Any) -> st.SearchStrategy[tuple[str, ...]]:
    made = [part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts]
    return st.tuples(st.just(name), *made)


def several(
    name: str, one: st.SearchStrategy[tuple[str, ...]], *options: st.SearchStrategy[tuple[str, ...]]
) -> st.SearchStrategy[tuple[str, ...]]:
    """A command on a key with options and then some tuples of arguments."""
    return st.tuples(
        st.just((name,)), st.tuples(KEYS), *options, st.lists(one, min_size=1, max_size=3).map(flat)
    ).map(flat)


def flat(parts: Any) -> tuple[str, ...]:
    return tuple(one for part in parts for one in part)


ADDING = st.sampled_from([(), ("GT",), ("LT",), ("XX",), ("NX",), ("GT", "CH"), ("XX", "CH")])
LIMIT = st.sampled_from([(), ("LIMIT", "0", "1"), ("LIMIT", "1", "-1")])
WITH = st.sampled_from([(), ("WITHSCORES",)])

COMMANDS = st.one_of(
    several("HSET", st.tuples(FIELDS, NUMBERS)),
    several("HDEL", st.tuples(FIELDS)),
    several("HMGET", st.tuples(FIELDS)),
    command("HSETNX", KEYS, FIELDS, NUMBERS),
    command("HGET", KEYS, FIELDS),
    command("HEXISTS", KEYS, FIELDS),
    command("HINCRBY", KEYS, FIELDS, NUMBERS),
    command("HLEN", KEYS),
    command("HGETALL", KEYS),
    several("ZADD", st.tuples(SCORES, FIELDS), ADDING),
    several("ZREM", st.tuples(FIELDS)),
    command("ZSCORE", KEYS, FIELDS),
    command("ZCARD", KEYS),
    command("ZCOUNT", KEYS, BOUNDS, BOUNDS),
    st.tuples(command("ZRANGE", KEYS, RANKS, RANKS), WITH).map(flat),
    st.tuples(command("ZRANGE", KEYS, BOUNDS, BOUNDS, "BYSCORE"), LIMIT, WITH).map(flat),
    st.tuples(command("ZRANGEBYSCORE", KEYS, BOUNDS, BOUNDS), WITH, LIMIT).map(flat),
    st.tuples(command("ZREVRANGEBYSCORE", KEYS, BOUNDS, BOUNDS), WITH, LIMIT).map(flat),
    command("ZREMRANGEBYSCORE", KEYS, BOUNDS, BOUNDS),
    command("ZREMRANGEBYRANK", KEYS, RANKS, RANKS),
    several("SADD", st.tuples(FIELDS)),
    several("SREM", st.tuples(FIELDS)),
    command("SMEMBERS", KEYS),
    command("SISMEMBER", KEYS, FIELDS),
    command("SCARD", KEYS),
    command("INCR", KEYS),
    command("INCRBY", KEYS, NUMBERS),
    command("GET", KEYS),
    command("SET", KEYS, NUMBERS),
    command("SET", KEYS, FIELDS, "NX"),
    command("SET", KEYS, FIELDS, "EX", SECONDS),
    command("SET", KEYS, FIELDS, "XX", "KEEPTTL"),
    command("DEL", KEYS),
    command("EXISTS", KEYS, KEYS),
    command("TYPE", KEYS),
    command("EXPIRE", KEYS, SECONDS),
    command("PEXPIRE", KEYS, "2000000"),
    command("PEXPIRE", KEYS, "-1"),
    command("PERSIST", KEYS),
    command("TTL", KEYS),
    command("PUBLISH", "nobody", FIELDS),
)


def bare(server: Server) -> redis.Redis:
    """A client that gives answers as they come over the wire."""
    client = redis.Redis(port=server.port, protocol=2)
    client.response_callbacks.clear()
    return client


def make_store() -> Store:
    return Store(lambda: 0.0, lambda _channel, _data: 0)


def told(answer: Any) -> Any:
    """An answer to compare: sets have no order, and of errors only the code is promised."""
    if isinstance(answer, NoScriptError):
        return "NOSCRIPT"
    if isinstance(answer, ResponseError):
        text = str(answer)
        return ("error", "WRONGTYPE" if "WRONGTYPE" in text else "ERR")
    return answer


def ask(client: redis.Redis, one: tuple[str, ...]) -> Any:
    try:
        return client.execute_command(*one)
    except ResponseError as error:
        return error


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands=st.lists(COMMANDS, min_size=1, max_size=12))
def test_commands(real: Server, commands: list[tuple[str, ...]]) -> None:
    client, store = bare(real), make_store()
    client.flushall()
    for one in commands:
        theirs, ours = told(ask(client, one)), told(store.execute(one))
        if one[0] == "SMEMBERS" and isinstance(theirs, list):
            theirs = sorted(theirs)
        if one[0] == "HGETALL" and isinstance(theirs, list):
            assert dict(zip(ours[::2], ours[1::2], strict=True)) == dict(
                zip(theirs[::2], theirs[1::2], strict=True)
            )
            continue
        assert ours == theirs, one


SCRIPTS = [
    "return redis.call('GET', KEYS[1])",
    "return redis.call('GET', KEYS[1]) == false",
    "return {1, 2.9, 'x', false, 'after'}",
    "return {1, nil, 3}",
    "return true",
    "return {redis.call('SET', KEYS[1], ARGV[1]), redis.call('INCRBY', KEYS[1], 2)}",
    "return redis.call('SET', KEYS[1], 'x').ok",
    "redis.call('HSET', KEYS[1], 'a', 1, 'b', 2) return redis.call('HGETALL', KEYS[1])",
    "redis.call('SET', KEYS[1], 'x') return redis.call('HGET', KEYS[1], 'a')",
    "redis.call('SET', KEYS[1], 'x') return redis.pcall('HGET', KEYS[1], 'a')",
    "redis.call('SET', KEYS[1], 'x') return redis.pcall('HGET', KEYS[1], 'a').err ~= nil",
    "redis.call('SET', KEYS[1], 'x') return (pcall(redis.call, 'HGET', KEYS[1], 'a'))",
    "return redis.error_reply('CODE with text')",
    "return redis.status_reply('FINE')",
    "error('broken')",
    "undeclared = 1",
    "return undeclared",
    "return tostring(2 ^ 53)",
    "return string.format('%.0f', 1790000000000001)",
    "redis.call('SET', KEYS[1], 1790000000000001) return redis.call('GET', KEYS[1])",
    "redis.call('SET', KEYS[1], 2 ^ 53) return redis.call('GET', KEYS[1])",
    "redis.call('SET', KEYS[1], 0.1) return redis.call('GET', KEYS[1])",
    "return cjson.encode({a = 'x/y \"ж\"\\n'})",
    "return cjson.encode({1, 2.5, true, 'x', {}})",
    "return cjson.encode({a = 1790000000000001})",
    "return cjson.decode('[1, 2.5, \"x\", [3], null, 4]')",
    'return cjson.decode(\'{"a": {"b": 7}}\').a.b',
    "return cjson.decode('{\"a\": null}').a == cjson.null",
    "return (pcall(cjson.decode, '{'))",
    "return type(cjson.decode('1790000000000001'))",
    "redis.call('ZADD', KEYS[1], 5, 'x', '7.5', 'y') return redis.call('ZRANGE', KEYS[1], 0, -1)",
    "return redis.call('ZSCORE', KEYS[1], 'x')",
    "return {KEYS[1], ARGV[1], ARGV[2], #ARGV, #KEYS}",
    "return redis.sha1hex('x')",
    "return type(redis.call('TIME')[1])",
    "return {redis.call('EXISTS', KEYS[1]), redis.call('PTTL', KEYS[1]), redis.call('TTL', 'no')}",
    "return {redis.call('SADD', KEYS[1], 'b', 'a'), redis.call('SCARD', KEYS[1])}",
    "return redis.call('HMGET', KEYS[1], 'a', 'b')",
    "return {unpack({1, 2, 3}, 2)}",
    "local a <const> = 1",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts(real: Server, script: str) -> None:
    client, store = bare(real), make_store()
    client.flushall()
    evaluated = ("EVAL", script, "1", "key", "5", "x y")
    assert told(store.execute(evaluated)) == told(ask(client, evaluated))


def test_scripts_are_known_by_their_digest_until_a_restart(real: Server) -> None:
    client, store = bare(real), make_store()
    texts = ["return 1", "return 2"]
    assert isinstance(store.execute(("EVALSHA", "0" * 40, 0)), NoScriptError)
    for number, text in enumerate(texts, 1):
        digest = store.execute(("SCRIPT LOAD", text))
        assert digest == client.execute_command("SCRIPT LOAD", text)
        assert store.execute(("EVALSHA", digest, 0)) == number
    store.flush()
    assert store.execute(("EVALSHA", digest, 0)) == 2
    store.become(store.snapshot())
    assert isinstance(store.execute(("EVALSHA", digest, 0)), NoScriptError)


def test_a_key_ends_after_its_time() -> None:
    now = 0.0
    store = Store(lambda: now, lambda _channel, _data: 0)
    store.execute(("SET", "a", "x", "PX", 1500))
    now = 1.4
    assert store.execute(("GET", "a")) == b"x"
    now = 1.6
    assert store.execute(("GET", "a")) is None
    assert store.data.size() == 0


@pytest.mark.parametrize(
    "unknown", [("OBJECT", "ENCODING", "a"), ("SCRIPT", "KILL"), ("EVAL", "redis.pcall('NO')", 0)]
)
def test_an_unknown_command_is_no_answer_but_a_fault_of_the_simulation(
    unknown: tuple[Any, ...],
) -> None:
    with pytest.raises(NotImplementedError):
        make_store().execute(unknown)


def test_a_published_message_goes_to_its_channel() -> None:
    came: list[tuple[str, bytes]] = []

    def publish(channel: str, data: bytes) -> int:
        came.append((channel, data))
        return 3

    store = Store(lambda: 0.0, publish)
    assert store.execute(("EVAL", "return redis.call('PUBLISH', 'c#s', ARGV[1])", 0, "ж")) == 3
    assert came == [("c#s", "ж".encode())]


def test_channels_reach_those_who_subscribed() -> None:
    async def listen() -> list[tuple[str, bytes, Any]]:
        server = Simulated(Random(1))
        client = Client(server, Link())
        both, one = client.pubsub(), client.pubsub()
        await both.subscribe("circuit:updates", "circuit#signals")
        await one.subscribe("circuit:updates")
        for channel in ("circuit#signals", "circuit:updates", "else"):
            await client.execute_command("PUBLISH", channel, "to " + channel)
        await asyncio.sleep(0.1)
        came = []
        for pubsub in (both, one):
            while (message := await pubsub.get_message(timeout=0.1)) is not None:
                came.append((message["type"], message["channel"], message["data"]))
        return came

    assert loop.run(listen()) == [
        ("subscribe", b"circuit:updates", 1),
        ("subscribe", b"circuit#signals", 2),
        ("message", b"circuit#signals", b"to circuit#signals"),
        ("message", b"circuit:updates", b"to circuit:updates"),
        ("subscribe", b"circuit:updates", 1),
        ("message", b"circuit:updates", b"to circuit:updates"),
    ]
