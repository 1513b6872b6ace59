"""The script that writes a circuit's state: which of two requests, or of two states, holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import DAY, HASH, CircuitScript

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def script(stopped: Stopped) -> CircuitScript:
    return CircuitScript(stopped)


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
