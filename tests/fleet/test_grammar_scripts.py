"""Numbers in what scripts keep: evidence, leases, announcements, ticks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from fastapi_hybrid_breaker.core.shared_run import BucketDelta, Report
from fastapi_hybrid_breaker.fleet.answers import (
    RUN_FIELDS,
    VOTE_FIELDS,
    parse_lease,
    parse_run,
    parse_sums,
    parse_votes,
)
from fastapi_hybrid_breaker.fleet.commands import report_command
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.scripts import NAMES as SCRIPTS
from fastapi_hybrid_breaker.fleet.scripts import load
from fastapi_hybrid_breaker.fleet.values import MOST_COUNTED

from .ends import HASH, KEY, OURS, Ends
from .grammar import NUMBERS

if TYPE_CHECKING:
    pass


pytestmark = [pytest.mark.every_server, pytest.mark.usefixtures("unhurried_answers")]
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
