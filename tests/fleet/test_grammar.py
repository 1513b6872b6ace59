"""Scripts and parsers read the same: one range and one grammar for every field in Redis."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.fleet.basic_format import BasicUpdate
from fastapi_hybrid_breaker.fleet.commands import Commands
from fastapi_hybrid_breaker.fleet.messages import PROTOCOL, parse_message
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.values import MOST_COUNTED, MalformedError, read_number

from .ends import BASIC, HASH, KEY, OURS, SOON, Ends
from .grammar import JSON_NUMBERS, NUMBERS, OBJECTS, STATES, WRITERS
from .instances import fail, fleet, settled, until
from .speaker import PlainSpeaker

if TYPE_CHECKING:
    from .server import Server

pytestmark = [pytest.mark.every_server, pytest.mark.usefixtures("unhurried_answers")]


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
