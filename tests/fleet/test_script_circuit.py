"""The script that writes a circuit's state: changes, resets, and what is published of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import HASH, HOUR, CircuitScript

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def script(stopped: Stopped) -> CircuitScript:
    return CircuitScript(stopped)


@pytest.mark.every_server
def test_an_opening_is_written_published_and_answered(script: CircuitScript) -> None:
    now, us = str(script.now), str(script.us)
    ends = str(script.now + 5000)
    why = '{"cause":"failures","failures":3}'
    answer = script.ask("change", failures=3, successes=1, reopened=2, why=why)
    assert answer == {
        "status": "done",
        "version": us,
        "writer": "aa",
        "state": "OPEN",
        "failures": "3",
        "successes": "1",
        "nextAttempt": ends,
        "at": now,
        "us": us,
        "reopened": "2",
        "why": why,
        "override": "",
        "closedAt": "0",
        "ramp": "0",
    }
    assert script.hash() == {
        "state": "OPEN",
        "failures": "3",
        "successes": "1",
        "nextAttempt": ends,
        "sum": f"OPEN|3|1|{ends}",
        "p": "1",
        "version": us,
        "writer": "aa",
        "at": now,
        "ops": "aa-1",
        "reopened": "2",
        "why": why,
        "openers": "aa",
    }
    assert script.told() == {
        "key": "pay",
        "stats": {"state": "OPEN", "failures": 3, "successes": 1, "nextAttempt": int(ends)},
        "p": 1,
        "version": us,
        "writer": "aa",
        "at": int(now),
        "reopened": 2,
        "why": {"cause": "failures", "failures": 3},
    }


def test_a_recovery_is_written_with_its_time_and_its_ramp(script: CircuitScript) -> None:
    script.put("HALF_OPEN", left=-5, ops="x-1")
    base = {"version": script.hash()["version"], "writer": "mm"}
    answer = script.ask("change", **base, state="CLOSED", failures=0, recovered=70, ramp=30)
    closed, ramp = script.now - 70, script.now - 30
    assert (answer["closedAt"], answer["ramp"]) == (str(closed), str(ramp))
    kept = script.hash()
    assert (kept["closedAt"], kept["ramp"]) == (str(closed), str(ramp))
    assert kept["closedOf"] == kept["version"] == answer["version"]
    assert kept["ops"] == "x-1 aa-1"
    assert kept["nextAttempt"] == "0"
    message = script.told()
    assert (message["closedAt"], message["ramp"]) == (closed, ramp)
    assert "why" not in message
    assert "override" not in message
    # They stay with the version that they are about, and go with it.
    again = script.ask("restore", **script.on(answer), state="CLOSED")
    assert (again["status"], again["closedAt"], again["ramp"]) == ("same", str(closed), str(ramp))
    answer = script.ask("change", **script.on(answer))
    assert (answer["closedAt"], answer["ramp"]) == ("0", "0")
    assert not {"closedAt", "ramp", "closedOf"} & set(script.hash())


def test_a_recovery_longer_ago_than_all_time_is_bounded(script: CircuitScript) -> None:
    answer = script.ask("change", state="CLOSED", recovered=script.now + 7, ramp=script.now)
    assert (answer["closedAt"], answer["ramp"]) == ("1", "1")
    script.put("HALF_OPEN", left=-5)
    base = script.on(script.hash())
    answer = script.ask("change", **base, state="CLOSED", recovered=0)
    assert (answer["closedAt"], answer["ramp"]) == (str(script.now), "0")
    assert script.hash()["ramp"] == "0"
    answer = script.ask("change", **script.on(answer), state="CLOSED", ramp=0)
    assert (answer["closedAt"], answer["ramp"]) == ("0", str(script.now))
    assert script.hash()["closedAt"] == "0"
    answer = script.ask("change", **script.on(answer), state="OPEN", recovered=3, ramp=3)
    assert (answer["closedAt"], answer["ramp"]) == ("0", "0")


def test_what_stands_there_of_an_earlier_version_s_recovery_is_not_read(
    script: CircuitScript,
) -> None:
    version = script.put("CLOSED", closedAt=77, ramp=88, closedOf="1")
    answer = script.ask("show")
    assert (answer["closedAt"], answer["ramp"]) == ("0", "0")
    script.put("CLOSED", closedAt=77, ramp=88, closedOf=version)
    answer = script.ask("show")
    assert (answer["closedAt"], answer["ramp"]) == ("77", "88")
    script.put("CLOSED", closedAt=77, ramp=88, closedOf="", version=0)
    answer = script.ask("show")
    assert (answer["closedAt"], answer["ramp"]) == ("0", "0")


def test_the_end_of_the_recovery_timeout_stands_while_probing(script: CircuitScript) -> None:
    for left, expected in ((-700, -700), (0, 0), (100, 0)):
        version = script.put("OPEN", left=left)
        answer = script.ask("change", version=version, writer="mm", state="HALF_OPEN", wait=9)
        assert answer["nextAttempt"] == str(script.now + expected)
    script.put("CLOSED")
    assert script.ask("reset", state="HALF_OPEN")["nextAttempt"] == "0"
    assert script.ask("reset", state="CLOSED")["nextAttempt"] == "0"


def test_a_state_lives_an_hour_beyond_its_end(script: CircuitScript) -> None:
    for state, wait, life in (
        ("CLOSED", 0, HOUR),
        ("OPEN", 5000, HOUR + 5000),
        ("OPEN", 2 * HOUR, 3 * HOUR),
    ):
        script.ask("reset", state=state, wait=wait)
        assert script.stopped.lives(HASH, life)
    script.put("OPEN", left=-9000)
    script.ask("change", version=script.hash()["version"], writer="mm", state="HALF_OPEN")
    assert script.stopped.lives(HASH, HOUR)


def test_the_last_five_whose_changes_opened_it_are_noted(script: CircuitScript) -> None:
    base = script.on(script.ask("reset", instance="zz", state="CLOSED"))
    assert "openers" not in script.hash()
    for number in range(6):
        base = script.on(script.ask("change", instance=f"i{number}", **base))
        base = script.on(script.ask("reset", instance="yy", state="CLOSED"))
    assert script.hash()["openers"] == "i1 i2 i3 i4 i5"


def test_figures_are_bounded(script: CircuitScript) -> None:
    script.put("OPEN", reopened=10**12 + 5, why="not JSON")
    script.stopped.ask.hset(HASH, "at", "x")
    answer = script.ask("show")
    assert (answer["reopened"], answer["why"], answer["at"]) == (str(10**12), "", "0")
    script.stopped.ask.hset(HASH, mapping={"reopened": "x", "why": '{"cause":"reset"}'})
    answer = script.ask("show")
    assert (answer["reopened"], answer["why"]) == ("0", '{"cause":"reset"}')


def test_an_unknown_request_is_an_error(script: CircuitScript) -> None:
    with pytest.raises(Exception, match=r"^circuit\.lua: unknown request nonsense"):
        script.ask("nonsense")


def test_of_nothing_nothing_is_answered(script: CircuitScript) -> None:
    answer = script.ask("show")
    assert answer == {
        "status": "same",
        "version": "0",
        "writer": "",
        "state": "",
        "failures": "0",
        "successes": "0",
        "nextAttempt": "0",
        "at": "0",
        "us": str(script.us),
        "reopened": "0",
        "why": "",
        "override": "",
        "closedAt": "0",
        "ramp": "0",
    }
    assert not script.stopped.ask.exists(HASH)
