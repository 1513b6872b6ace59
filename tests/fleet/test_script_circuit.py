"""The script that writes a circuit's state: changes, resets, and what is written back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import DAY, HASH, HOUR, CircuitScript

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


def test_a_request_that_comes_again_is_done_once_and_said_again(script: CircuitScript) -> None:
    first = script.ask("change", operation="aa-x")
    heard = script.told()
    script.stopped.now += 5
    again = script.ask("change", operation="aa-x", seen=script.us + 5)
    assert again == {**first, "status": "repeat", "us": str(script.us)}
    assert script.told() == heard
    assert script.status("reset", operation="aa-x") == "repeat"
    script.stopped.published()
    # A part of an id is another id.
    assert script.status("reset", operation="aa-") == "done"
    assert script.status("reset", operation="a-x") == "done"


def test_the_last_eight_requests_are_known_again(script: CircuitScript) -> None:
    for number in range(9):
        script.ask("reset", operation=f"bb-{number}")
    assert script.hash()["ops"] == " ".join(f"bb-{number}" for number in range(1, 9))
    assert script.status("reset", operation="bb-1") == "repeat"
    assert script.status("reset", operation="bb-0") == "done"


def test_a_repeated_request_over_what_a_basic_service_wrote_publishes_nothing(
    script: CircuitScript,
) -> None:
    script.ask("change", operation="aa-x")
    script.basic("CLOSED")
    script.stopped.published()
    answer = script.ask("change", operation="aa-x")
    assert (answer["status"], answer["state"]) == ("repeat", "OPEN")
    assert script.stopped.published() == []
    script.put("OPEN", version=0, ops="aa-x")
    assert script.status("change", operation="aa-x") == "repeat"
    assert script.stopped.published() == []


@pytest.mark.parametrize(
    ("ahead", "writer", "newer"),
    [(0, "mm", False), (0, "ll", True), (0, "nn", False), (-1, "zz", True), (1, "aa", False)],
)
def test_of_equal_versions_the_greater_writer_s_is_newer(
    script: CircuitScript, ahead: int, writer: str, *, newer: bool
) -> None:
    version = int(script.put("CLOSED"))
    base = {"version": version + ahead, "writer": writer}
    before = script.hash()
    answer = script.ask("change", **base)
    assert answer["status"] == ("refused" if newer else "done")
    if newer:
        assert (answer["version"], answer["writer"]) == (str(version), "mm")
        assert script.hash() == before
        assert script.stopped.published() == []
    script.put("CLOSED", version=version)
    expected = "same" if base == {"version": version, "writer": "mm"} else "done"
    assert script.status("restore", **base) == ("refused" if newer else expected)


@pytest.mark.parametrize("state", ["CLOSED", "HALF_OPEN"])
@pytest.mark.parametrize(
    ("left", "at", "runs"),
    [
        (250, 0, False),
        (251, 0, True),
        (9000, -1, False),  # written in the future
        (9000, DAY - 250, False),  # none lasts longer than a day
        (9000, DAY - 251, True),
    ],
)
def test_only_an_opening_or_a_reset_goes_over_one_that_still_runs(
    script: CircuitScript, state: str, left: int, at: int, *, runs: bool
) -> None:
    base = {"version": script.put("OPEN", left=left, at=at), "writer": "mm"}
    assert script.status("change", **base, state=state) == ("refused" if runs else "done")
    script.put("OPEN", left=left, at=at)
    assert script.status("change", **base, state="OPEN") == "done"
    script.put("OPEN", left=left, at=at)
    assert script.status("reset", state="CLOSED") == "done"


def test_an_opening_that_a_basic_service_has_ended_can_be_left(script: CircuitScript) -> None:
    base = {"version": script.put("OPEN"), "writer": "mm"}
    script.basic("CLOSED")
    assert script.status("change", **base, state="HALF_OPEN") == "done"


def test_nothing_but_an_opening_goes_over_the_opening_of_a_basic_service(
    script: CircuitScript,
) -> None:
    for theirs, state, status in (
        ("OPEN", "CLOSED", "foreign"),
        ("OPEN", "HALF_OPEN", "foreign"),
        ("OPEN", "OPEN", "done"),
        ("HALF_OPEN", "CLOSED", "foreign"),
        ("HALF_OPEN", "OPEN", "done"),
        ("CLOSED", "CLOSED", "done"),
    ):
        base = {"version": script.put("CLOSED" if theirs != "CLOSED" else "OPEN"), "writer": "mm"}
        script.basic(theirs, script.now + 7000)
        answer = script.ask("change", **base, state=state)
        assert answer["status"] == status
        if status == "foreign":
            assert (answer["state"], answer["nextAttempt"]) == (theirs, str(script.now + 7000))
    assert script.status("reset", state="CLOSED") == "done"


def test_the_next_version_comes_after_all_that_are_near(script: CircuitScript) -> None:
    us = script.us
    day = DAY * 1000
    for stored, seen, register, expected in (
        (us - 5, 0, 0, us),
        (us + 5, 0, 0, us + 6),
        (us, 0, 0, us + 1),
        (us, us + 7, 0, us + 8),
        (us, us, us + 9, us + 10),
        (us + day, 0, 0, us + day + 1),
        (us + day + 1, 0, 0, us),
        (us - 5, us + day + 1, 0, us),
        (us - 5, 0, us + day + 1, us),
    ):
        script.put("CLOSED", version=stored)
        if register:
            text = f'{register}|mm|disabled|0|{{"by":"x"}}'
            script.stopped.ask.hset(script.beside, "override", text)
        answer = script.ask("reset", state="CLOSED", seen=seen)
        assert answer["version"] == str(expected)


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


def test_what_is_written_back_keeps_its_name_and_is_published(script: CircuitScript) -> None:
    version = script.us - 999
    base = {"version": version, "writer": "kk"}
    answer = script.ask("restore", **base, wait=700, successes=1, reopened=4, why='{"cause":"x"}')
    assert answer["status"] == "done"
    kept = script.hash()
    assert (kept["version"], kept["writer"], kept["state"]) == (str(version), "kk", "OPEN")
    assert (kept["failures"], kept["successes"], kept["reopened"]) == ("3", "1", "4")
    assert kept["nextAttempt"] == str(script.now + 700)
    assert kept["why"] == '{"cause":"x"}'
    assert kept["ops"] == ""
    assert "openers" not in kept
    assert script.told()["writer"] == "kk"
    assert script.status("restore", **base) == "same"
    assert script.stopped.published() == []
    assert script.status("restore", version=version - 1, writer="zz") == "refused"


def test_a_version_of_which_no_state_stands_there_is_written_back(script: CircuitScript) -> None:
    version = int(script.put("OPEN"))
    script.stopped.ask.hdel(HASH, "state", "sum")
    assert script.status("restore", version=version, writer="mm") == "done"


@pytest.mark.parametrize(
    ("theirs", "state", "wait", "status"),
    [
        ("CLOSED", "OPEN", 5000, "done"),  # it has not heard of this opening
        ("HALF_OPEN", "OPEN", 1, "done"),
        ("CLOSED", "OPEN", 0, "foreign"),  # which is over
        ("CLOSED", "HALF_OPEN", 5000, "foreign"),
        ("OPEN", "OPEN", 5000, "foreign"),
        ("OPEN", "CLOSED", 0, "foreign"),
    ],
)
def test_what_a_basic_service_wrote_is_not_written_over_but_by_an_opening_that_runs(
    script: CircuitScript, theirs: str, state: str, wait: int, status: str
) -> None:
    script.basic(theirs, script.now + 100)
    base = {"version": script.us - 1, "writer": "kk"}
    assert script.status("restore", **base, state=state, wait=wait) == status


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


def test_a_request_that_comes_again_after_the_state_is_gone_publishes_none(
    script: CircuitScript,
) -> None:
    script.stopped.ask.hset(HASH, "ops", "aa-x")
    assert script.status("change", operation="aa-x") == "repeat"
    assert script.stopped.published() == []


def test_beside_a_version_that_is_none_nothing_of_ours_is_read(script: CircuitScript) -> None:
    script.put("CLOSED", version=0, under=f"OPEN|3|0|{script.now + 5000}")
    answer = script.ask("show")
    assert (answer["status"], answer["version"], answer["writer"]) == ("foreign", "0", "")
    assert script.status("plain") == "done"
    script.put("nonsense", version=0, closedAt=77, ramp=88, closedOf="0")
    answer = script.ask("show")
    assert (answer["closedAt"], answer["ramp"]) == ("0", "0")


def test_a_version_without_a_state_is_not_published(script: CircuitScript) -> None:
    script.put("CLOSED")
    script.stopped.ask.hdel(HASH, "state", "sum")
    script.ask("override", kind="disabled")
    message = script.told()
    assert not {"version", "writer", "at", "under"} & set(message)
