"""Texts: harmless, and short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_hybrid_breaker import Evidence
from fastapi_hybrid_breaker.cli.words import duration, harmless, why


@given(st.text())
def test_text_is_printable_and_what_was_printable_stays(text: str) -> None:
    shown = harmless(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


def test_what_steers_a_terminal_is_spelled_out() -> None:
    assert harmless("a\x1b[2J\n\u202eb\x9b") == "a\\x1b[2J\\n\\u202eb\\x9b"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0.0, "0s"), (0.4, "0s"), (7.0, "7s"), (59.6, "1m"), (200.0, "3m 20s"), (-3.0, "0s")),
        *((3600.0, "1h"), (18_240.0, "5h 4m"), (176_461.0, "2d 1h"), (86_405.0, "1d 5s")),
    ],
)
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (None, ""),
        (Evidence(), ""),
        (Evidence(cause="fleet"), ""),
        (Evidence(cause="of a later version"), ""),
        (Evidence(cause="reset"), "it was reset"),
        (Evidence(cause="reset", by="ann"), "it was reset by ann"),
        (Evidence(cause="probe_failed", error="OSError: x"), "a probe failed; OSError: x"),
        (Evidence(cause="failures", rule="5 failures in a row"), "5 failures in a row"),
        (
            Evidence(cause="slow_calls", rule="half slow", calls=20, failed=3, slow=11),
            "half slow; 3 of 20 calls failed, 11 slow",
        ),
    ],
)
def test_evidence_in_words(evidence: Evidence | None, said: str) -> None:
    assert why(evidence) == said
