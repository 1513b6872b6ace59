"""How scripts read numbers and JSON that stand in a hash, at the ends of what is well-formed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import HASH, CircuitScript

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def script(stopped: Stopped) -> CircuitScript:
    return CircuitScript(stopped)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("9007199254740991", 9007199254740991),
        ("9007199254740992", None),
        ("0000000000000012", 12),
        ("00000000000000012", None),
        ("12.0", 12),
        ("9007199254740991.0", 9007199254740991),
        ("12.00", None),
        ("12.", None),
        ("12x0", None),
        ("1.5", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1 ", None),
        ("1e3", None),
        ("0x1", None),
        ("", None),
    ],
)
def test_a_time_is_sixteen_digits_at_most(
    script: CircuitScript, text: str, value: int | None
) -> None:
    script.put("OPEN", left=9000)
    script.stopped.ask.hset(HASH, "nextAttempt", text)
    answer = script.ask("show")
    expected = script.now + 9000 if value is None else value
    assert answer["nextAttempt"] == str(expected)
    assert answer["status"] == ("same" if value is None else "foreign")


@pytest.mark.parametrize("field", ["failures", "successes"])
def test_a_count_beyond_its_range_counts_as_its_end(script: CircuitScript, field: str) -> None:
    most = 10**12
    for text, value in ((most, most), (most + 1, most), (2**53 - 1, most), (most - 1, most - 1)):
        script.put("OPEN", **{field: text})
        assert script.ask("show")[field] == str(value)


@pytest.mark.parametrize(
    "why",
    [
        '{"cause":"x"}',
        ' {"failures":12} ',
        '{ "a" : "b", "c": 0 }',
        '{"error":"a \\"b\\" \\\\"}',
        '{"error":"{[true]}"}',
        '{"error":"\u0416 \u20ac \U0001f600 \u0800 \ud7ff \ue000 \U00010000 \U0010ffff"}',
        "{}",
        '{"e":"' + "x" * 2040 + '"}',
    ],
)
def test_flat_json_is_kept_to_the_letter(script: CircuitScript, why: str) -> None:
    script.put("OPEN", why=why)
    assert script.ask("show")["why"] == why


@pytest.mark.parametrize(
    "why",
    [
        b"nonsense",
        b"[1]",
        b'{"a":{}}',
        b'{"a":[]}',
        b'{"a":true}',
        b'{"a":1.5}',
        b'{"a":-1}',
        b'{"a":01}',
        b'{"a": 01}',
        b'{"a":"b" "c"}',
        b'{"a":"\x01"}',
        b'{"a":"\x1f"}',
        b'{"a":"\x00"}',
        b'x{"a":1}',
        b'{"a":1}x',
        b'{"a":"\x80"}',
        b'{"a":"\xff"}',
        b'{"a":"\xc1\x80"}',
        b'{"a":"\xc2"}',
        b'{"a":"\xe0\x80\x80"}',
        b'{"a":"\xe0\x9f\xbf"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xed\xbf\xbf"}',
        b'{"a":"\xf0\x80\x80\x80"}',
        b'{"a":"\xf0\x8f\xbf\xbf"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b'{"a":"\xf5\x80\x80\x80"}',
        b'{"e":"' + b"x" * 2041 + b'"}',
    ],
)
def test_what_is_no_flat_json_reads_as_absent(script: CircuitScript, why: bytes) -> None:
    script.put("OPEN", why=why)
    assert script.ask("show")["why"] == ""
