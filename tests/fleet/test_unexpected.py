"""Whatever comes from Redis, and whatever goes wrong with one of it: it costs that one alone."""

from __future__ import annotations

import json
import logging
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.fleet.about_instances import AboutInstance, parse_heartbeat
from fastapi_hybrid_breaker.fleet.answers import parse_lease, parse_reply, parse_sums, parse_votes
from fastapi_hybrid_breaker.fleet.heartbeat import read_instances
from fastapi_hybrid_breaker.fleet.index import Index
from fastapi_hybrid_breaker.fleet.messages import (
    HASH_FIELDS,
    parse_hash,
    parse_message,
    parse_signal,
)
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride
from fastapi_hybrid_breaker.fleet.values import MalformedError, read_number
from fastapi_hybrid_breaker.fleet.work_item import Request
from fastapi_hybrid_breaker.throttled_log import ThrottledLog
from tests import inside

from .evidence_in_json import evidence_in, quoted_evidence
from .instances import fail, fleet, settled, until
from .odd import HUGE, answers, as_json, spoilt, texts, values
from .sessions import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server

pytestmark = pytest.mark.usefixtures("unhurried_answers")

KEY = "inventory-api"

STATS = {"state": "OPEN", "failures": 5, "successes": 0, "nextAttempt": 1_790_000_060_000}
OVERRIDE = {"version": "5", "writer": "a", "kind": "disabled", "ends": 0, "about": {"by": "ann"}}
MESSAGE = {
    "key": KEY,
    "stats": STATS,
    "p": 1,
    "version": "1790000000000000",
    "writer": "abcdef",
    "at": 1_790_000_000_000,
    "reopened": 0,
    "why": {"cause": "failures", "failures": 5},
}
messages = st.builds(
    lambda message, stats, override: message | {"stats": stats, "override": override},
    spoilt(MESSAGE),
    spoilt(STATS) | values,
    spoilt(OVERRIDE) | values,
)
signals = spoilt({"signal": "armed", "key": KEY, "version": "1", "writer": "a", "ms": 5, "p": 1})
about = spoilt({"host": "box", "started": 1, "version": "1", "circuits": {}, "more": 0})


def only_malformed(read: Callable[[], object]) -> None:
    try:
        read()
    except MalformedError:
        return


@given(messages | values)
@example(MESSAGE | {"stats": STATS | {"failures": HUGE}})
@example(MESSAGE | {"at": HUGE})
@example(MESSAGE | {"p": HUGE})
@example(MESSAGE | {"override": OVERRIDE | {"ends": -HUGE}})
def test_no_message_raises_anything_else(message: object) -> None:
    def read() -> None:
        key, heard, override = parse_message(as_json(message))
        if heard is not None:
            key.encode()
            heard.news(1_790_000_000.0)
            heard.stats(CircuitConfig(), 1_790_000_000.0, 1_790_000_000.0)
        if override is not None:
            override.news(1_790_000_000.0)

    only_malformed(read)


@given(signals | values)
@example({"signal": "tick", "live": HUGE})
@example({"signal": "hot", "key": KEY, "version": "1", "writer": "a", "ms": HUGE})
def test_no_signal_raises_anything_else(signal: object) -> None:
    only_malformed(lambda: parse_signal(as_json(signal)))


@given(st.binary(max_size=60) | texts.map(lambda text: text.encode(errors="replace")))
@example(b"[" * 9_000)
@example(b'{"a":' * 9_000)
@example(b"1" * 5_000)
@example(b'"\\ud800"')
def test_nothing_that_is_no_json_raises_anything_else(data: bytes) -> None:
    only_malformed(lambda: parse_message(data))
    only_malformed(lambda: parse_signal(data))


@given(st.lists(st.none() | answers, min_size=len(HASH_FIELDS), max_size=len(HASH_FIELDS)) | values)
def test_no_hash_raises_anything_else(stored: Any) -> None:
    only_malformed(lambda: parse_hash(stored))


@given(st.lists(answers, max_size=16) | values)
@example([b"done", b"1", b"a", b"OPEN", *[b"9" * 310] * 10])
@example([b"confirmed", *[b"9" * 310] * 4])
@example([b"granted", *[b"9" * 310] * 3])
@example([HUGE, HUGE])
def test_no_answer_of_a_script_raises_anything_else(answer: object) -> None:
    for parse in (parse_reply, parse_sums, parse_lease, parse_heartbeat):
        only_malformed(lambda p=parse: p(answer))
    only_malformed(lambda: parse_votes(answer, None, 0.0))


@given(st.dictionaries(st.text(), texts, max_size=4), st.lists(about | values, max_size=4), answers)
@example({"a": "1"}, [{"started": HUGE}], [])
@example({"a": "9" * 310}, [{"started": 1}], [])
def test_no_instance_raises_anything_and_all_can_be_shown(
    seen: dict[str, str], said: list[object], other: object
) -> None:
    dropped = ThrottledLog(lambda: 0.0, "")
    seen |= {f"i{number}": "1" for number in range(len(said))}
    answer = [
        part for number, one in enumerate(said) for part in (f"i{number}".encode(), as_json(one))
    ]
    for one in read_instances(seen, answer, 5.0, dropped):
        json.dumps([one.host, one.library, *(one.circuits or ())], ensure_ascii=False).encode()
        float(one.more)
    only_malformed(lambda: read_instances(seen, other, 5.0, dropped))


@given(values)
@example({"circuits": {"a": ["OPEN", HUGE]}, "more": HUGE})
@example({"failures": HUGE, "by": "\ud800"})
def test_what_is_only_shown_raises_nothing(said: object) -> None:
    if isinstance(said, dict):
        AboutInstance.model_validate(said).unhealthy()
    found = evidence_in(said)
    if found is not None:
        f"{found.by}{found.reason}{found.error}".encode()
    quoted_evidence(json.dumps(said))


@given(texts)
@example("5|a|disabled|" + "9" * 310 + "|{}")
@example("5|a|disabled|0|" + "[" * 4_000)
@example("5|a|disabled|0|" + "1" * 4_000)
def test_no_register_raises_anything_else(text: str) -> None:
    only_malformed(lambda: SharedOverride.read_register(text))


@given(st.lists(answers, max_size=6) | values)
def test_no_index_raises_anything_else(answer: object) -> None:
    seen: list[tuple[str, int]] = []
    log = ThrottledLog(lambda: 0.0, "")
    index = Index("i", 9, log, lambda key, at: seen.append((key, at)), lambda: inf)
    request = Request("index_read", "", (), versions={"": 0})
    only_malformed(lambda: index.answered(request, answer))
    assert all(version < 2**53 for _, version in seen)


@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, float("nan"), float("inf"), "1e999", "nan", True], ids=range(7)
)
def test_what_is_no_number_of_the_range_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        read_number(value)


# -- on a real server ---------------------------------------------------------------------------


async def test_a_number_of_310_digits_in_messages_ends_no_listener(server: Server) -> None:
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        await settled(a, b)
        since = [one.sync_status().since for one in (a, b)]
        for spoilt_message in (
            MESSAGE | {"stats": STATS | {"failures": HUGE}},
            MESSAGE | {"at": HUGE},
            {"key": KEY, "stats": STATS | {"nextAttempt": HUGE}},
        ):
            server.ask.publish("circuit:updates", json.dumps(spoilt_message))
        server.ask.publish("circuit#signals", json.dumps({"signal": "tick", "live": HUGE}))
        for one in (a, b):
            await until(lambda x=one: x.sync_status().dropped == 4)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert [one.sync_status().since for one in (a, b)] == since


async def test_a_number_of_310_digits_in_a_heartbeat_ends_no_sender(server: Server) -> None:
    async with fleet(server) as (a, b):
        since = a.sync_status().since
        for name, said in (("evil", {"started": HUGE}), ("odd", {"host": "\ud800", "started": 1})):
            server.ask.zadd("circuit#{live}", {name: server.ask.time()[0] * 1000})
            server.ask.hset("circuit#{live}:about", name, json.dumps(said))
        found = await a.instances()
        assert found is not None
        assert {one.id for one in found} == {
            inside.sync_of(a).instance,
            inside.sync_of(b).instance,
            "odd",
        }
        assert a.sync_status().dropped == 1
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert (a.sync_status().state, a.sync_status().since) == ("connected", since)


async def test_a_number_of_310_digits_in_a_hash_costs_that_circuit_alone(server: Server) -> None:
    server.ask.hset(f"circuit:{KEY}", mapping={"state": "OPEN", "failures": "9" * 310})
    server.ask.hset("circuit:other", mapping={"state": "OPEN", "nextAttempt": str(2**43)})
    circuits = {KEY: CircuitConfig(), "other": CircuitConfig()}
    async with fleet(server, 1, circuits=circuits) as (a,):
        await until(lambda: a.state("other") == "OPEN")
        assert a.state(KEY) == "CLOSED"
        assert a.sync_status().dropped >= 1


async def test_a_defect_in_taking_in_a_message_costs_that_message_alone(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as (a, b):
        session = session_of(b)
        since, hear = b.sync_status().since, session.exchange.inbox.receive
        b.circuit(KEY)
        await settled(a, b)

        def hear_or_fail(data: bytes) -> None:
            if b"poison" in data:
                raise ZeroDivisionError
            hear(data)

        session.exchange.inbox.receive = hear_or_fail  # type: ignore[method-assign, assignment]
        with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
            for _ in range(100):
                server.ask.publish("circuit:updates", b"poison")
            await until(lambda: b.sync_status().dropped == 100)
        assert len(caplog.records) == 1
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")
        assert b.sync_status().since == since


END = b"%d" % 2**43
OPEN = {"state": b"OPEN", "failures": b"1", "successes": b"0", "nextAttempt": END, "p": b"1"}
