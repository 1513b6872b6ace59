"""What is made of figures: tables, targets, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.environment import REQUIREMENTS, reason, wanted
from benchmarks.peers.load import PEERS
from benchmarks.report.page import fill
from benchmarks.report.tables import Table, duration
from benchmarks.report.targets import Reached, reached
from benchmarks.report.write import TABLES
from benchmarks.routes.load import milliseconds, read_wrk
from benchmarks.routes.served import summarise
from benchmarks.sharing.trouble import LIMIT
from benchmarks.sharing.trouble import summarise as summarise_trouble

ROOT = Path(__file__).parents[2]


def line(who: str, state: str, way: str, nanoseconds: float, rule: str = "default") -> Any:
    return {
        "who": who,
        "state": state,
        "way": way,
        "rule": rule,
        "p10_ns": nanoseconds,
        "ratio": nanoseconds / 100,
    }


OURS = "fastapi-hybrid-breaker"
CALLS = {
    "notes": {},
    "lines": [
        line("bare", "closed", "call", 100.0),
        line("by hand", "open", "call", 400.0),
        line("by hand", "failing", "call", 900.0),
        line(OURS, "closed", "call", 250.0),
        line(OURS, "closed", "decorator", 360.0),
        line(OURS, "closed", "execute", 490.0),
        line(OURS, "closed", "execute by key", 1010.0),
        line(OURS, "closed", "async with", 760.0),
        line(OURS, "closed", "call, a route guards too", 350.0),
        line(OURS, "closed", "call", 650.0, "rates"),
        line(OURS, "closed", "sync call", 100.0),
        line(OURS, "open", "call", 500.0),
        line(OURS, "half-open", "call", 1000.0),
        line(OURS, "failing", "call", 2300.0),
        line("slow", "closed", "call", 900.0),
        line("slow", "closed", "sync decorator", 350.0),
        line("slow", "open", "call", 900.0),
        line("fast", "closed", "decorator", 600.0),
        line("fast", "open", "decorator", 700.0),
        line("interlock-cb", "closed", "call", 5200.0, "rates"),
    ],
}


def test_the_targets_of_calls_are_ratios_within_the_run() -> None:
    found = {one.what: one for one in reached({"calls": CALLS})}
    values = {what: pytest.approx(one.value) for what, one in found.items()}
    assert values == {
        "`call`, closed: × bare await": 2.5,
        "`decorator`, closed: × bare await": 3.6,
        "the fastest peer: × our `call`": 2.4,
        "`call`, a route guards too: × bare": 3.5,
        "`execute`: × bare": 4.9,
        "`execute by key`: × bare": 10.1,
        "`async with`: × bare": 7.6,
        "`call`, rates over a time window: × bare": 6.5,
        "interlock-cb's rates: × ours": 8.0,
        "rejected: × bare": 5.0,
        "rejected: × by hand": 1.25,
        "the peer that rejects fastest: × ours": 1.4,
        "the fastest peer: × our `call_sync`": 3.5,
        "half-open: × bare": 10.0,
        "failing: × bare": 23.0,
    }
    assert found["the fastest peer: × our `call`"].about == "fast"
    assert {what for what, one in found.items() if not one.is_ok} == {
        "`decorator`, closed: × bare await",
        "the fastest peer: × our `call`",
        "`execute by key`: × bare",
        "`async with`: × bare",
        "failing: × bare",
    }
    assert found["failing: × bare"].about == "by hand: 9.00"


def test_a_target_is_reached_at_its_limit() -> None:
    assert Reached("", 3.0, "at most", 3.0).is_ok
    assert not Reached("", 3.0, "at most", 3.1).is_ok
    assert Reached("", 3.0, "at least", 3.0).is_ok
    assert not Reached("", 3.0, "at least", 2.9).is_ok


def test_nothing_is_said_of_parts_that_were_not_measured() -> None:
    assert reached({}) == []


def test_the_targets_of_a_route_are_what_is_added_to_the_unguarded_one() -> None:
    in_process = {
        name: {"p10_ns": time}
        for name, time in {
            "unguarded": 100.0,
            "ours": 112.0,
            "by hand": 110.0,
            "no-op object": 105.0,
            "no-op yield": 150.0,
        }.items()
    }
    found = reached({"routes": {"in_process": in_process, "served": {"servers": {}}}})
    assert [one.value for one in found] == pytest.approx([7.0, 0.24])
    assert [one.about for one in found] == ["by hand: 5.00", "by hand: 0.20"]


def test_beside_requests_per_second_stand_those_of_who_does_less() -> None:
    lines = {"ours": 0.9, "no-op object": 0.92, "by hand": 0.91}
    served = {"servers": {"h11": {name: {"share": share} for name, share in lines.items()}}}
    in_process = {
        name: {"p10_ns": float(at)}
        for at, name in enumerate(
            ("unguarded", "ours", "by hand", "no-op object", "no-op yield"), 1
        )
    }
    *_, last = reached({"routes": {"in_process": in_process, "served": served}})
    assert (last.value, last.about) == (pytest.approx(90.0), "no-op object: 92 %, by hand: 91 %")


def test_a_page_keeps_what_people_wrote_around_the_tables() -> None:
    page = (
        "# A\n\n<!-- bench: calls -->\nold\n<!-- /bench -->\n\nwords\n\n"
        "<!-- bench: scale -->\nkept\n<!-- /bench -->\n"
    )
    once = fill(page, {"calls": "| new |", "unknown": "nowhere"})
    assert once == (
        "# A\n\n<!-- bench: calls -->\n\n| new |\n\n<!-- /bench -->\n\nwords\n\n"
        "<!-- bench: scale -->\nkept\n<!-- /bench -->\n"
    )
    assert fill(once, {"calls": "| new |"}) == once


def test_a_mark_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="end"):
        fill("<!-- bench: calls -->", {"calls": ""})


def test_the_page_has_a_place_for_every_part() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    for name in (*TABLES, "machine", "targets"):
        assert f"<!-- bench: {name} -->" in page
    assert "## What was tried and rejected" in page


def test_a_table_as_markdown() -> None:
    table = Table("T", ("", "a"), (("x|y", "1"),), "note")
    assert table.markdown() == "**T**\n\n|  | a |\n| --- | ---: |\n| x\\|y | 1 |\n\nnote"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(73.4, "73 ns"), (1234.0, "1.23 µs"), (56_789.0, "56.8 µs"), (5.0e9, "5.00 s")],
)
def test_durations(nanoseconds: float, text: str) -> None:
    assert duration(nanoseconds) == text


WRK = """Running 1s test @ http://127.0.0.1:1/stock
  1 threads and 16 connections
  Latency Distribution
     50%    3.75ms
     75%    4.40ms
     90%    6.02ms
     99%  812.00us
  4135 requests in 1.00s, 600.00KB read
Requests/sec:   4131.20
Transfer/sec:    600.00KB
"""


def test_what_wrk_prints_is_read() -> None:
    assert read_wrk(WRK) == {
        "requests": 4135.0,
        "per_second": 4131.2,
        "p50_ms": 3.75,
        "p99_ms": 0.812,
    }
    assert milliseconds("1.02s") == 1020.0


@pytest.mark.parametrize("trouble", ["Non-2xx or 3xx responses: 7", "Socket errors: connect 1"])
def test_errors_that_wrk_saw_are_errors(trouble: str) -> None:
    with pytest.raises(RuntimeError, match="wrk says"):
        read_wrk(WRK + trouble)
    with pytest.raises(RuntimeError, match="wrk says"):
        read_wrk("")


def test_requests_per_second_are_compared_at_the_best_tenth_of_the_rounds() -> None:
    def rounds(*rates: float, cpu: float) -> list[dict[str, float]]:
        return [{"per_second": one, "p50_ms": 1.0, "p99_ms": 2.0, "cpu_us": cpu} for one in rates]

    unguarded = rounds(1000.0, 1000.0, 100.0, cpu=200.0)
    found = summarise(rounds(900.0, 900.0, 10.0, cpu=210.0), unguarded)
    assert found["share"] == 0.9
    assert found["per_second"] == 900
    assert found["cpu_ratio"] == 1.05


def test_a_call_that_never_came_back_is_told_as_such() -> None:
    assert summarise_trouble([]) == {"calls": 0, "over_seconds": LIMIT}
    told = summarise_trouble(["1000 ", "3000 TimeoutError", "2000 "])
    assert told["calls"] == 3
    assert told["first_ns"] == 1000
    assert told["median_ns"] == 2000
    assert told["longest_ns"] == 3000
    assert told["raised"] == ["TimeoutError"]


def test_every_peer_has_its_version_pinned() -> None:
    text = REQUIREMENTS.read_text()
    lines = [one for one in text.splitlines() if one and not one.startswith("#")]
    assert all(one.count("==") == 1 for one in lines)
    assert set(PEERS) <= set(wanted(text))
    assert "numpy" not in wanted(text)  # it comes along


def test_why_a_peer_does_not_install_is_told_in_a_word() -> None:
    assert reason("WARNING: x\nERROR: Cannot install it\nERROR: more") == "Cannot install it"
    assert reason("ERROR: Ignored: 0.1 Requires-Python >=3.12; 0.2 Requires-Python >=3.13\n") == (
        "needs Python >=3.13"
    )
    assert reason("") == "pip failed without a word"
