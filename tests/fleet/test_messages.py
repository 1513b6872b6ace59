"""Messages are models: frozen, bounded, and malformed ones are named without being quoted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from fastapi_hybrid_breaker.fleet.answers import parse_lease, parse_reply, parse_sums
from fastapi_hybrid_breaker.fleet.messages import (
    HASH_FIELDS,
    PROTOCOL,
    StateMessage,
    parse_hash,
    parse_message,
    parse_signal,
)
from fastapi_hybrid_breaker.fleet.values import MalformedError, Number, WireModel

from .grammar import JSON_NUMBERS, NUMBERS
from .odd import HUGE

INPUT = "zebra"


def kinds(base: type[BaseModel]) -> list[type[BaseModel]]:
    return [each for kind in base.__subclasses__() for each in (kind, *kinds(kind))]


def test_all_models_are_frozen() -> None:
    assert len(kinds(WireModel)) >= 15
    for kind in kinds(WireModel):
        assert kind.model_config["frozen"], kind


def test_a_number_is_an_int_an_integral_float_or_digits() -> None:
    number = TypeAdapter(Number)

    def read(value: object) -> int | None:
        try:
            return number.validate_python(value)
        except ValidationError:
            return None

    for text, expected in NUMBERS.items():
        assert read(text) == expected, text
    for text, expected in JSON_NUMBERS.items():
        assert read(json.loads(text)) == expected, text
    assert all(type(read(value)) is int for value in (5, 5.0, "5", "5.0", None))
    assert read(b"5") is None


def test_of_two_members_of_one_name_the_last_one_counts(message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    assert parse_message(b'{"key":"other",' + data[1:]).key == message["key"]
    assert parse_message(data[:-1] + b',"key":"other"}').key == "other"
    with pytest.raises(MalformedError):
        parse_message(data[:-1] + b',"at":-1}')


@pytest.mark.parametrize(
    "member",
    [
        b'"new":NaN',
        b'"new":-Infinity',
        b'"new":' + b"[" * 30_000 + b"]" * 30_000,  # deeper than where Hypothesis sets the limit
        b'"new":' + b"9" * 5_000,
        b'"new":"\xed\xa0\x80"',
        b'"new":"\xff"',
        b'"new":"a\nb"',
    ],
    ids=range(7),
)
def test_what_is_not_json_spoils_a_message_also_where_nobody_reads_it(
    message: dict[str, Any], member: bytes
) -> None:
    data = json.dumps(message).encode()
    assert parse_message(data[:-1] + b',"new":{"a":[1,"\\ud800"]}}').state is not None
    with pytest.raises(MalformedError):
        parse_message(data[:-1] + b"," + member + b"}")


def test_a_message_in_another_encoding_was_read() -> None:
    basic = {"key": "a", "stats": {"state": "OPEN"}}
    assert parse_message(json.dumps(basic).encode("utf-8-sig")).key == "a"
    for encoding in ("utf-16", "utf-32"):
        with pytest.raises(MalformedError):
            parse_message(json.dumps(basic).encode(encoding))


def test_a_message_of_a_later_protocol_is_read_whatever_its_override_has_become(
    message: dict[str, Any],
) -> None:
    later = message | {"p": PROTOCOL + 1, "override": {"kinds": ["slow"]}, "why": 5}
    received = parse_message(json.dumps(later).encode())
    assert received.state is not None
    assert (received.state.version, received.override) == (int(message["version"]), None)
    assert received.state.failures == 0  # of which a later protocol may make something else


def test_one_malformed_field_of_a_hash_does_not_spoil_the_others() -> None:
    well = {"state": "OPEN", "failures": "5", "successes": "0", "nextAttempt": "5000"}
    well |= {"version": "12", "writer": "a", "at": "5", "sum": "OPEN|5|0|5000", "p": "1"}
    for name in ("at", "p", "reopened", "why", "closedAt", "ramp", "closedOf", "under"):
        for spoilt in (b"\xff", b"9" * 310, b"[" * 900, b""):
            fields = well | {"closedOf": "12"}
            values = [
                spoilt if one == name else fields[one].encode() if one in fields else None
                for one in HASH_FIELDS
            ]
            state = parse_hash(values)
            assert state is not None
            assert (state.version, state.failures, state.next_attempt) == (12, 5, 5.0)


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (parse_message, {"key": INPUT, "stats": {"state": INPUT}}),
        (parse_message, {"key": "a", "stats": {"state": "OPEN", "failures": INPUT}}),
        (parse_message, {"key": f"{INPUT}\n..", "stats": {"state": "OPEN"}}),
        (parse_signal, {"signal": INPUT}),
        (parse_signal, {"signal": "hot", "key": "a", "writer": "a", "running": {INPUT: INPUT}}),
        (parse_reply, [INPUT.encode()] * 14),
        (parse_sums, [INPUT.encode()] * 7),
        (parse_lease, [INPUT.encode()] * 4),
        (parse_hash, [INPUT.encode()] * len(HASH_FIELDS)),
    ],
    ids=range(9),
)
def test_an_error_names_the_field_and_quotes_nothing(read: Any, given: Any) -> None:
    with pytest.raises(MalformedError) as raised:
        read(json.dumps(given).encode() if isinstance(given, dict) else given)
    text = str(raised.value)
    assert text.startswith("malformed ")
    assert INPUT not in text
    assert text.isprintable()
    assert len(text) <= 200


def test_a_number_of_310_digits_is_out_of_range_wherever_it_stands(message: dict[str, Any]) -> None:
    for name in ("p", "at", "reopened"):
        with pytest.raises(MalformedError):
            StateMessage.read(message | {"reopened": 0} | {name: HUGE})
