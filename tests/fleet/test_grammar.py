"""Scripts and parsers read the same: one range and one grammar for every field in Redis."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from fastapi_hybrid_breaker.core.shared_run import BucketDelta, Report
from fastapi_hybrid_breaker.fleet.answers import (
    RUN_FIELDS,
    VOTE_FIELDS,
    parse_lease,
    parse_reply,
    parse_run,
    parse_sums,
    parse_votes,
)
from fastapi_hybrid_breaker.fleet.basic_format import BasicUpdate
from fastapi_hybrid_breaker.fleet.commands import Commands, report_command
from fastapi_hybrid_breaker.fleet.messages import HASH_FIELDS, PROTOCOL, parse_hash, parse_message
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import NAMES as SCRIPTS
from fastapi_hybrid_breaker.fleet.scripts import load
from fastapi_hybrid_breaker.fleet.shared_override import SharedOverride
from fastapi_hybrid_breaker.fleet.shared_state import SharedState
from fastapi_hybrid_breaker.fleet.values import MOST_COUNTED, MalformedError, as_text, read_number

from .grammar import JSON_NUMBERS, NUMBERS, OBJECTS, STATES, WRITERS
from .instances import fail, fleet, settled, until
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server

pytestmark = [pytest.mark.every_server, pytest.mark.usefixtures("unhurried_answers")]

KEY = "inventory-api"
HASH = f"circuit:{KEY}"
REGISTER = "circuit#override:{circuit:inventory-api}"
SOON = str(2**43)
BASIC = {"state": "OPEN", "failures": "1", "successes": "0", "nextAttempt": SOON}
OURS = BASIC | {
    "version": "12",
    "writer": "a",
    "at": "5",
    "sum": f"OPEN|1|0|{SOON}",
    "p": "1",
    "reopened": "2",
    "closedAt": "3",
    "ramp": "4",
    "closedOf": "12",
}


class Ends:
    """Both ends of one hash: what the script answers about it, and what the parser reads."""

    def __init__(self, raw: redis.Redis) -> None:
        self.raw = raw
        self.raw.script_load(load("circuit.lua").text)
        commands = Commands(Names("circuit"), "me", lambda: 0)
        self._show = commands.script("show", KEY)
        # Changes nothing where nobody has written over what is stored, and ends no override.
        plain = BasicUpdate(due=0.0, is_live=False, may_close=False)
        self._look = commands.adopt_basic(KEY, plain, 5.0)

    def hash(self, fields: dict[str, Any]) -> tuple[Any, Any]:
        """Return what the script and the parser say of a hash with these fields."""
        with self.raw.pipeline(transaction=False) as pipe:
            pipe.delete(HASH)
            pipe.hset(HASH, mapping=fields)
            pipe.hmget(HASH, *HASH_FIELDS)
            pipe.execute_command(*self._show)
            *_, values, answer = pipe.execute()
        stored = parse_reply(answer).stored
        try:
            heard = parse_hash(values)
        except MalformedError:
            heard = None
        return _seen(stored), _seen(heard)

    def register(self, text: bytes) -> tuple[SharedOverride | None, SharedOverride | None]:
        """Return what both say of a register of overrides."""
        with self.raw.pipeline(transaction=False) as pipe:
            pipe.delete(HASH)
            pipe.hset(REGISTER, "override", text)
            pipe.execute_command(*self._look)
            answer = pipe.execute()[-1]
        try:
            heard = SharedOverride.read_register(as_text(text))
        except MalformedError:
            heard = None
        return parse_reply(answer).override, heard


def _seen(heard: SharedState | None) -> tuple[Any, ...] | None:
    if heard is None:
        return None
    basic = (heard.state, heard.failures, heard.successes, heard.next_attempt, heard.is_basic)
    if heard.is_basic:  # whose the version below is does not matter
        return basic
    own = (heard.version, heard.writer, heard.at, heard.reopenings, heard.evidence)
    return (*basic, *own, heard.recovered_at, heard.ramp_began_at)


@pytest.fixture
def ends(server: Server) -> Iterator[Ends]:
    with redis.Redis(port=server.port, protocol=2) as raw:
        yield Ends(raw)


def test_the_table_has_sixty_inputs() -> None:
    assert len(NUMBERS) >= 60


@pytest.mark.parametrize("field", ["failures", "successes", "nextAttempt"])
def test_a_field_of_the_basic_format_is_the_same_for_script_and_parser(
    ends: Ends, field: str
) -> None:
    for text, value in NUMBERS.items():
        script, parser = ends.hash(BASIC | {field: text})
        assert script == parser, text
        assert (parser is None) == (value is None), text
        if value is not None and field != "nextAttempt":
            assert min(value, MOST_COUNTED) in parser, text


@pytest.mark.parametrize("field", list(OURS))
def test_a_field_of_our_own_is_the_same_for_script_and_parser(ends: Ends, field: str) -> None:
    inputs = [*NUMBERS, *WRITERS, *STATES]
    inputs += [f"OPEN|{text}|0|{SOON}" for text in NUMBERS]
    inputs += [f"OPEN|1|0|{text}" for text in NUMBERS]
    inputs += [f"{state}|1|0|{SOON}" for state in STATES]
    for text in inputs:
        if field == "p" and (NUMBERS.get(text) or 0) > PROTOCOL:
            continue  # of a later protocol the parser reads the state and its times only
        for more in ({}, {"under": "CLOSED|7|0|0"}):
            script, parser = ends.hash(OURS | more | {field: text})
            assert script == parser, (text, more)


def test_a_count_beyond_the_range_of_older_processes_is_written_as_its_end(ends: Ends) -> None:
    commands = Commands(Names("circuit"), "me", lambda: 0)
    plain = commands.adopt_basic(KEY, BasicUpdate(due=0.0, is_live=False, may_close=False), 5.0)
    for text in ("1000000000001", "1735776000456", "9007199254740991"):
        ends.raw.delete(HASH)
        ends.raw.hset(HASH, mapping=BASIC | {"successes": text, "failures": text})
        assert ends.raw.execute_command(*plain)[0] == b"done"
        stored: Any = ends.raw.hmget(HASH, "failures", "successes")
        assert stored == [b"%d" % MOST_COUNTED] * 2


def test_the_state_under_an_override_is_the_same_for_script_and_parser(ends: Ends) -> None:
    for text in ["-", *NUMBERS, *(f"CLOSED|{text}|0|0" for text in NUMBERS)]:
        script, parser = ends.hash(OURS | {"under": text})
        assert script == parser, text


def test_why_is_the_same_for_script_and_parser(ends: Ends) -> None:
    for text, is_fine in OBJECTS.items():
        script, parser = ends.hash(OURS | {"why": text})
        assert script == parser, text[:80]
        assert parser is not None
        assert is_fine == (parser[-3] is not None), text[:80]


def test_a_part_of_the_register_is_the_same_for_script_and_parser(ends: Ends) -> None:
    parts = ["12", "a", "forced_open", SOON, '{"by":"ann"}']
    for at, inputs in enumerate(
        (NUMBERS, WRITERS, ("disabled", "-", "on_fire", "", "Disabled"), NUMBERS)
    ):
        for text in inputs:
            spoilt = "|".join((*parts[:at], text, *parts[at + 1 :]))
            script, parser = ends.register(spoilt.encode())
            assert script == parser, spoilt
    for about in OBJECTS:
        spoilt_about = "|".join((*parts[:4], "")).encode() + about
        script, parser = ends.register(spoilt_about)
        assert script == parser, about[:80]


@pytest.mark.parametrize("part", ["failures", "successes", "nextAttempt", "at", "reopened"])
def test_a_number_of_a_message_is_read_as_the_table_says(
    message: dict[str, Any], part: str
) -> None:
    table = {json.dumps(text): value for text, value in NUMBERS.items()} | JSON_NUMBERS
    message = message | {"reopened": 0}
    for text, value in table.items():
        where = message["stats"] if part in message["stats"] else message
        before, where[part] = where[part], "HERE"
        data = json.dumps(message).replace('"HERE"', text).encode()
        where[part] = before
        if value is None or (part == "at" and value == 0):
            with pytest.raises(MalformedError):
                parse_message(data)
        else:
            assert parse_message(data)[1] is not None, text


def test_a_number_has_one_grammar_whatever_it_comes_as() -> None:
    for text, value in NUMBERS.items():
        if value is None:
            with pytest.raises(MalformedError):
                read_number(text)
        else:
            assert read_number(text) == value


# -- what is counted, who probes, who lives ------------------------------------------------------

EVIDENCE = "circuit#evidence:{circuit:inventory-api}"
NAMES = Names("circuit")


def _ask(raw: redis.Redis, command: tuple[Any, ...]) -> Any:
    for name in SCRIPTS:
        raw.script_load(load(name).text)
    return raw.execute_command(*command)


@pytest.mark.parametrize("field", [":run", ":plain", ":suspect", ":hot", ":votes", ":calls:0:w"])
def test_evidence_with_any_number_is_answered_and_read_alike(ends: Ends, field: str) -> None:
    raw = ends.raw
    seconds: Any = raw.time()
    now = seconds[0] + seconds[1] / 1e6
    state = (12, "a")
    for count, text in enumerate(NUMBERS):
        said = {
            ":run": f"{text}:aaaa {now * 1e6:.0f}:bbbb",
            ":plain": f"{text}:{now * 1e6:.0f}",
            ":suspect": text,
            ":hot": f"1|{text}|{text}",
            ":votes": f"aaaa:{text} bbbb:{now * 1000 + 60_000:.0f}",
            ":calls:0:w": f"{now // 10:.0f}|{text},{text},1,1,1",
        }
        raw.hset(HASH, mapping=OURS | {"state": "CLOSED", "sum": "CLOSED|0|0|0"})
        raw.hset(EVIDENCE, mapping={":of": "12|a", field: said[field]})
        report = Report(
            0,
            12,
            "a",
            3,
            (now,),
            None,
            (BucketDelta("w", 10.0, 1, now, (1, 0, 0, 0, 0)),),
            over_threshold=False,
        )
        arguments: Any = {"version": 12, "writer": "a", "threshold": 3, "now": now}
        vote = report_command("vote", NAMES, "cccc", KEY, stands=0.0, **arguments)
        sums = parse_sums(_ask(raw, vote))
        votes = parse_votes(raw.hmget(EVIDENCE, *VOTE_FIELDS), state, now)
        assert sums.votes == len(votes), text
        run = parse_run(raw.hmget(EVIDENCE, *RUN_FIELDS), state, now + 1)
        assert (sums.run > 0) == (run is not None), text
        what = report_command(
            "report", NAMES, "cccc", KEY, number=count + 1, report=report, **arguments
        )
        answer = _ask(raw, what)
        parse_sums(answer)
        for kinds in answer[6::2]:  # older processes read no more than this
            assert all(int(kind) <= MOST_COUNTED for kind in kinds.split(b",")), text
        parse_run(raw.hmget(EVIDENCE, *RUN_FIELDS), state, now + 1)
        raw.delete(EVIDENCE)


@pytest.mark.parametrize("field", ["lease", "probing", "won", "told", "at", "nextAttempt", "sum"])
def test_a_question_for_a_lease_is_answered_whatever_number_stands_there(
    ends: Ends, field: str
) -> None:
    raw = ends.raw
    seconds: Any = raw.time()
    now = seconds[0] * 1000
    for text in NUMBERS:
        said = {
            "lease": f"bbbb|{now}|{text}|{text}",
            "probing": f"bbbb:{text}:{now}:{text} cccc:{text}:{text}:{now + 60_000}",
            "won": f"bbbb:{text}:{now} cccc:1:{text}",
            "sum": f"OPEN|{text}|{text}|{text}",
        }
        raw.hset(HASH, mapping=OURS | {"nextAttempt": now, "sum": f"OPEN|1|0|{now}"})
        raw.hset(HASH, field, said.get(field, text))
        asked = (NAMES.hash(KEY), "aaaa", "12", "a", 300, 3, 1, 5000, 0, NAMES.signals)
        command = load("lease.lua").command(asked[:1], *asked[1:], json.dumps(KEY), 1, 0)
        answer = _ask(raw, command)
        parse_lease(answer)
        _, milliseconds, _, successes = answer  # older processes read no more than this
        assert int(milliseconds) <= 86_400_000, text
        assert int(successes) <= MOST_COUNTED, text
        raw.delete(HASH)


def test_probes_told_in_the_future_were_not_told_again(ends: Ends) -> None:
    raw = ends.raw
    seconds: Any = raw.time()
    now = seconds[0] * 1000
    raw.hset(HASH, mapping=OURS | {"nextAttempt": now, "sum": f"OPEN|1|0|{now}"})
    asked = (NAMES.hash(KEY), "aaaa", "12", "a", 300, 3, 1, 5000, 0, NAMES.signals)
    command = load("lease.lua").command(asked[:1], *asked[1:], json.dumps(KEY), 1, 0)
    _ask(raw, command)
    raw.hset(HASH, "told", now + 10**9)  # by a clock that was set back since
    _ask(raw, command)
    told: Any = raw.hget(HASH, "told")
    assert int(told) < now + 10**8


def test_calls_announced_in_the_future_were_not_announced_again(ends: Ends) -> None:
    raw = ends.raw
    seconds: Any = raw.time()
    now = seconds[0]
    raw.hset(HASH, mapping=OURS | {"state": "CLOSED", "sum": "CLOSED|0|0|0"})
    hot = f"{now * 1000}|{now * 1000 + 60_000}|{now * 1000 + 10**9}"
    raw.hset(EVIDENCE, mapping={":of": "12|a", ":hot": hot})
    calls = (BucketDelta("w", 10.0, 1, now, (1, 0, 0, 0, 0)),)
    report = Report(0, 12, "a", 3, (), None, calls, over_threshold=True)
    arguments: Any = {"version": 12, "writer": "a", "number": 1, "report": report, "now": now}
    _ask(raw, report_command("report", NAMES, "cccc", KEY, **arguments))
    announced: Any = raw.hget(EVIDENCE, ":hot")
    assert int(announced.rpartition(b"|")[2]) < now * 1000 + 10**8


def test_a_last_tick_that_is_not_a_number_did_not_let_any_other_tick_come(ends: Ends) -> None:
    raw = ends.raw
    command = load("heartbeat.lua").command(
        (NAMES.live, NAMES.instances), "aaaa", "{}", 15_000, 60_000, 5_000, NAMES.signals, 1
    )
    _ask(raw, command)
    for text in NUMBERS:
        raw.hset(NAMES.instances, "#tick", text)
        _ask(raw, command)
        ticked: Any = raw.hget(NAMES.instances, "#tick")
        assert len(ticked) == 13, text


# -- as it was seen ------------------------------------------------------------------------------


async def test_an_open_of_a_neighbour_that_writes_milliseconds_into_successes_was_ignored(
    server: Server,
) -> None:
    speaker = PlainSpeaker(server)
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        later = int((time.time() + 20) * 1000)
        speaker.say_exactly("OPEN", 5, int(time.time() * 1000), later)
        for breaker in (a, b):
            await until(lambda x=breaker: x.state(KEY) == "OPEN")
        assert (a.sync_status().dropped, b.sync_status().dropped) == (0, 0)


@pytest.mark.parametrize("count", ["1735776000456", "9999999999999999", "1_000", "many"])
async def test_an_override_over_odd_counts_of_a_neighbour_was_queued_for_ever(
    server: Server, count: str
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        server.ask.hset(HASH, mapping=BASIC | {"state": "CLOSED", "successes": count})
        assert await a.override(KEY, "disabled", by="ann", reason="x", seconds=None) == "fleet"
        for breaker in (a, b):
            await until(lambda x=breaker: x.stats(KEY).override is not None)
        server.ask.hset(HASH, "successes", count)
        assert await b.clear_override(KEY) == "fleet"
        for breaker in (a, b):
            await until(lambda x=breaker: x.stats(KEY).override is None)
        await fail(a, KEY)
        await until(lambda: b.state(KEY) == "OPEN")


@pytest.mark.parametrize("kind", [int, float, str])
async def test_numbers_of_a_basic_client_may_be_integers_floats_or_text(
    server: Server, kind: type
) -> None:
    async with fleet(server) as (a, b):
        for breaker in (a, b):
            breaker.circuit(KEY)
        await settled(a, b)
        for state, wait in (("OPEN", 20_000), ("CLOSED", 0), ("OPEN", 25_000)):
            end = int(time.time() * 1000) + wait if wait else 0
            stats = {"failures": kind(5), "successes": kind(0), "nextAttempt": kind(end)}
            server.ask.hset(HASH, mapping={"state": state} | stats)
            message = {"key": KEY, "stats": {"state": state} | stats}
            server.ask.publish("circuit:updates", json.dumps(message))
            for breaker in (a, b):
                await until(lambda x=breaker, s=state: x.state(KEY) == s)
            await settled(a, b)
        assert (a.sync_status().dropped, b.sync_status().dropped) == (0, 0)
        async with fleet(server, 1) as (late,):
            late.circuit(KEY)
            await until(lambda: late.state(KEY) == "OPEN")
