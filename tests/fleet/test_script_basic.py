"""The script that writes a circuit's state: what services of the basic format wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import DAY, HASH, CircuitScript

if TYPE_CHECKING:
    from .stopped import Stopped

ANN = '{"by":"ann","reason":"x"}'


@pytest.fixture
def script(stopped: Stopped) -> CircuitScript:
    return CircuitScript(stopped)


def test_an_opening_of_a_basic_service_gets_a_version(script: CircuitScript) -> None:
    version = script.put("CLOSED", at=500, reopened=4, why='{"cause":"x"}', ops="x-1")
    ends = script.now + 4000
    script.basic("OPEN", ends, failures=7, successes=1)
    answer = script.ask("plain")
    assert answer == {
        "status": "done",
        "version": str(script.us),
        "writer": "aa",
        "state": "OPEN",
        "failures": "7",
        "successes": "1",
        "nextAttempt": str(ends),
        "at": str(script.now),
        "us": str(script.us),
        "reopened": "4",
        "why": "",
        "override": "",
        "closedAt": "0",
        "ramp": "0",
    }
    assert int(answer["version"]) > int(version)
    kept = script.hash()
    assert (kept["sum"], kept["ops"]) == (f"OPEN|7|1|{ends}", "x-1")
    assert "openers" not in kept
    assert script.told()["version"] == answer["version"]
    assert script.status("plain") == "same"
    assert script.stopped.published() == []


def test_counts_of_a_basic_service_are_no_news(script: CircuitScript) -> None:
    script.put("CLOSED")
    script.basic("CLOSED", 0, failures=9)
    assert script.status("plain") == "same"
    assert script.ask("plain")["failures"] == "9"
    script.basic("CLOSED", 55)  # of a closed one it says nothing
    assert script.status("plain") == "same"
    script.put("OPEN", left=9000)
    script.basic("OPEN", script.now + 9000, failures=9)
    assert script.status("plain") == "same"
    script.basic("OPEN", script.now + 9001)
    assert script.status("plain") == "done"


@pytest.mark.parametrize("field", ["state", "failures", "successes", "nextAttempt"])
def test_what_is_malformed_says_nothing_and_what_we_wrote_holds(
    script: CircuitScript, field: str
) -> None:
    script.put("OPEN", left=9000)
    script.basic("CLOSED")
    script.stopped.ask.hset(HASH, field, "nonsense")
    answer = script.ask("plain")
    assert (answer["status"], answer["state"]) == ("same", "OPEN")
    assert answer["nextAttempt"] == str(script.now + 9000)


@pytest.mark.parametrize(
    ("wait", "live", "expected"),
    [
        (4000, 0, 4000),
        (4000, 1, 4000),
        (7500, 1, 7500),
        (7501, 1, 5000),  # its clock is wrong
        (7501, 0, 7501),
        (0, 1, 5000),
        (1, 1, 1),
        (-1, 1, 5000),
        (-1, 0, 0),
        (0, 0, 0),
        (DAY, 0, DAY),
        (DAY + 1, 0, DAY),
    ],
)
def test_the_end_that_a_basic_service_told_is_bounded(
    script: CircuitScript, wait: int, live: int, expected: int
) -> None:
    script.put("CLOSED")
    script.basic("OPEN", script.now + wait)
    answer = script.ask("plain", live=live)
    assert answer["nextAttempt"] == str(script.now + expected)


def test_a_basic_service_that_probes_has_an_end_that_is_past(script: CircuitScript) -> None:
    for ends in (-5, 0, 5):
        script.put("OPEN", left=-100, reopened=3)
        script.basic("HALF_OPEN", script.now + ends)
        answer = script.ask("plain")
        assert answer["nextAttempt"] == str(script.now + min(ends, 0))
        assert answer["reopened"] == "0"
        assert (answer["closedAt"], answer["ramp"]) == ("0", "0")


@pytest.mark.parametrize(
    ("ours", "theirs", "recovered"),
    [
        ("OPEN", "CLOSED", True),
        ("HALF_OPEN", "CLOSED", True),
        ("OPEN", "HALF_OPEN", False),
        ("CLOSED", "OPEN", False),
    ],
)
def test_a_basic_service_that_closes_it_has_recovered_it(
    script: CircuitScript, ours: str, theirs: str, *, recovered: bool
) -> None:
    script.put(ours, left=-100)
    script.basic(theirs, 0)
    answer = script.ask("plain")
    expected = str(script.now) if recovered else "0"
    assert (answer["closedAt"], answer["ramp"]) == (expected, expected)
    if theirs == "CLOSED":
        assert answer["nextAttempt"] == "0"


def test_what_was_written_before_anybody_of_us_has_recovered_nothing(
    script: CircuitScript,
) -> None:
    script.basic("CLOSED", 0)
    answer = script.ask("plain")
    assert (answer["status"], answer["closedAt"], answer["ramp"]) == ("done", "0", "0")


def test_a_basic_service_does_not_end_an_opening_that_it_has_not_heard_of(
    script: CircuitScript,
) -> None:
    for theirs in ("CLOSED", "HALF_OPEN"):
        version = script.put(
            "OPEN", left=1, at=40, reopened=2, why='{"cause":"x"}', closedAt=5, ramp=6, ops="x-1"
        )
        script.stopped.ask.hset(HASH, "closedOf", version)
        ours = script.hash()
        script.basic(theirs)
        answer = script.ask("plain")
        assert (answer["status"], answer["version"], answer["writer"]) == ("refused", version, "mm")
        assert (answer["state"], answer["reopened"]) == ("OPEN", "2")
        assert (answer["closedAt"], answer["ramp"]) == ("5", "6")
        assert script.hash() == ours  # mended
        message = script.told()
        assert (message["version"], message["stats"]["state"]) == (version, "OPEN")
        assert message["why"] == {"cause": "x"}


def test_it_may_be_ended_by_a_basic_service_that_has_heard_of_it(script: CircuitScript) -> None:
    script.put("OPEN", left=1)
    script.basic("CLOSED")
    assert script.status("plain", may_close=1) == "done"
    script.put("OPEN", left=0)  # it is over
    script.basic("CLOSED")
    assert script.status("plain") == "done"
    script.put("HALF_OPEN", left=5)
    script.basic("CLOSED")
    assert script.status("plain") == "done"
    script.put("OPEN", left=900)  # another opening
    script.basic("OPEN", script.now + 800)
    assert script.status("plain") == "done"


def test_what_a_basic_service_writes_over_an_override_moves_nothing_below(
    script: CircuitScript,
) -> None:
    version = script.put("CLOSED")
    script.ask("override", kind="forced_open", lasts=7000)
    shown = script.hash()
    script.basic("CLOSED")
    answer = script.ask("plain")
    assert (answer["status"], answer["version"], answer["state"]) == ("same", version, "CLOSED")
    script.stopped.published()
    assert script.status("show") == "done"  # what is in force shows again
    assert script.hash() == shown
    assert script.told()["version"] == version
    assert script.status("show") == "same"


def test_what_a_basic_service_writes_over_an_override_without_a_state_moves_nothing(
    script: CircuitScript,
) -> None:
    script.ask("override", kind="forced_open", lasts=7000)
    shown = script.hash()
    script.basic("CLOSED")
    assert script.ask("plain")["version"] == "0"
    script.ask("show")
    assert script.hash() == shown


def test_what_a_basic_service_wrote_after_an_override_ended_is_a_word_of_its_own(
    script: CircuitScript,
) -> None:
    version = script.put("CLOSED")
    script.ask("override", kind="forced_open", lasts=500)
    script.stopped.now += 500
    script.basic("HALF_OPEN", script.now)
    assert script.ask("show")["status"] == "foreign"
    answer = script.ask("plain")
    assert answer["status"] == "done"
    assert (answer["version"], answer["state"]) == (str(script.us), "HALF_OPEN")
    assert answer["version"] != version


def test_show_leaves_to_adoption_what_a_basic_service_wrote(script: CircuitScript) -> None:
    script.put("CLOSED")
    script.basic("OPEN", script.now + 5000)
    answer = script.ask("show")
    assert (answer["status"], answer["state"]) == ("foreign", "OPEN")
    assert script.stopped.published() == []


def test_an_override_that_is_set_over_a_basic_opening_keeps_that_below(
    script: CircuitScript,
) -> None:
    script.put("CLOSED")
    ends = script.now + 4000
    script.basic("OPEN", ends)
    answer = script.ask("override", kind="disabled")
    assert (answer["state"], answer["nextAttempt"], answer["writer"]) == ("OPEN", str(ends), "aa")
    assert script.hash()["under"] == f"OPEN|3|0|{ends}"
    register = script.register().split("|")
    # Each has a version of its own, and the state was settled after the override.
    assert int(answer["version"]) == int(register[0]) + 1


def test_an_override_that_is_set_over_a_basic_closing_keeps_an_opening_that_runs_below(
    script: CircuitScript,
) -> None:
    version = script.put("OPEN", left=4000)
    script.basic("CLOSED")
    answer = script.ask("override", kind="disabled")
    assert (answer["version"], answer["state"]) == (version, "OPEN")
    assert script.hash()["under"] == f"OPEN|3|0|{script.now + 4000}"
    script.put("OPEN", left=0)
    script.basic("CLOSED")
    answer = script.ask("override", kind="disabled")
    assert (answer["version"] != version, answer["state"]) == (True, "CLOSED")


def test_an_override_over_what_a_basic_service_wrote_first_keeps_it_below(
    script: CircuitScript,
) -> None:
    script.basic("OPEN", script.now + 9000)
    answer = script.ask("override", kind="disabled")
    assert (answer["version"], answer["state"]) == (str(script.us + 1), "OPEN")


def test_an_override_over_another_keeps_the_state_below_whatever_a_basic_service_wrote(
    script: CircuitScript,
) -> None:
    version = script.put("CLOSED")
    script.ask("override", kind="forced_open", lasts=500)
    script.stopped.now += 500
    script.basic("OPEN", script.now + 5000)
    answer = script.ask("override", kind="disabled")
    assert (answer["version"], answer["state"]) == (version, "CLOSED")
    assert script.hash()["under"] == "CLOSED|3|0|0"


def test_fields_that_a_basic_service_left_out_count_as_nothing(script: CircuitScript) -> None:
    script.stopped.ask.hset(HASH, mapping={"state": "OPEN"})
    answer = script.ask("plain")
    assert (answer["failures"], answer["successes"], answer["nextAttempt"]) == (
        *("0", "0"),
        str(script.now),
    )


def test_a_version_without_a_well_formed_writer_is_none(script: CircuitScript) -> None:
    for writer, is_ours in (("mm", True), ("", False), ("m-m", False), ("m" * 65, False)):
        script.put("CLOSED", writer=writer)
        answer = script.ask("plain")
        assert answer["status"] == ("same" if is_ours else "done")
        assert answer["writer"] == ("mm" if is_ours else "aa")
    script.put("CLOSED", writer="m" * 64)
    assert script.status("plain") == "same"


def test_what_an_override_of_a_state_never_told_shows_is_not_that_state(
    script: CircuitScript,
) -> None:
    """A hash with "under" of "-" and no version shows an override alone."""
    ends = script.now + 9000
    fields = {"state": "OPEN", "failures": 0, "successes": 0, "nextAttempt": ends}
    script.stopped.ask.hset(HASH, mapping={**fields, "sum": f"OPEN|0|0|{ends}", "under": "-"})
    register = f"{script.us}|mm|forced_open|{ends}|{ANN}"
    script.stopped.ask.hset(script.beside, "override", register)
    assert script.ask("plain")["status"] == "same"
    script.stopped.ask.hset(HASH, "under", "x")
    assert script.ask("plain")["status"] == "done"


def test_an_override_over_a_basic_opening_that_is_over_does_not_prolong_that(
    script: CircuitScript,
) -> None:
    for wait, expected in ((-5, 0), (9000, 9000)):
        script.put("CLOSED")
        script.basic("OPEN", script.now + wait)
        answer = script.ask("override", kind="disabled")
        assert answer["nextAttempt"] == str(script.now + expected)


def test_a_basic_opening_is_kept_below_an_override_that_did_not_show_yet(
    script: CircuitScript,
) -> None:
    version = script.put("CLOSED")
    register = f"{script.us - 1}|mm|disabled|0|{ANN}"
    script.stopped.ask.hset(script.beside, "override", register)
    ends = script.now + 4000
    script.basic("OPEN", ends)
    answer = script.ask("show")
    assert (answer["status"], answer["state"], answer["writer"]) == ("done", "OPEN", "aa")
    assert int(answer["version"]) > int(version)
    assert script.hash()["under"] == f"OPEN|3|0|{ends}"
    assert script.hash()["state"] == "CLOSED"
