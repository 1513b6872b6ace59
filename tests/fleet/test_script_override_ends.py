"""The script that writes a circuit's state: how long overrides last, and what follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import ANN, HASH, HOUR, SHADOW, WEEK, CircuitScript

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def script(stopped: Stopped) -> CircuitScript:
    return CircuitScript(stopped)


@pytest.fixture(params=[False, True], ids=["beside", "inside"])
def either(request: pytest.FixtureRequest, stopped: Stopped) -> CircuitScript:
    """Its override stands beside the circuit's hash, or in it."""
    return CircuitScript(stopped, HASH) if request.param else CircuitScript(stopped)


def test_an_override_of_a_circuit_without_a_state_leaves_no_trace(either: CircuitScript) -> None:
    script = either
    answer = script.ask("override", kind="forced_open", lasts=7000)
    assert (answer["version"], answer["state"]) == ("0", "")
    kept = script.hash()
    assert (kept["state"], kept["under"], kept["failures"]) == ("OPEN", "-", "0")
    assert "version" not in kept
    message = script.told()
    assert not {"version", "writer", "at", "reopened", "under", "why"} & set(message)
    assert script.ask("show")["status"] == "same"
    assert script.ask("show")["state"] == ""
    # A state that is written under it stands below.
    answer = script.ask("change", state="CLOSED")
    assert (answer["status"], answer["state"]) == ("done", "CLOSED")
    assert script.hash()["under"] == "CLOSED|3|0|0"
    assert script.hash()["state"] == "OPEN"


def test_when_it_is_over_and_there_never_was_a_state_nothing_is_left(
    either: CircuitScript,
) -> None:
    script = either
    script.ask("override", kind="forced_open", lasts=7000)
    script.stopped.published()
    answer = script.ask("override")
    assert answer["status"] == "done"
    assert set(script.hash()) <= {"override", "override_ops"}
    assert script.told()["stats"] == {
        "state": "CLOSED",
        "failures": 0,
        "successes": 0,
        "nextAttempt": 0,
    }


@pytest.mark.every_server
def test_what_is_left_of_a_cleared_override_goes_after_a_week(either: CircuitScript) -> None:
    """Without a state nothing else gave the hash an end: it stayed for ever."""
    either.ask("override", kind="forced_open")
    assert either.stopped.ask.pttl(either.beside) == -1
    either.ask("override")
    assert either.stopped.lives(either.beside, WEEK)
    either.ask("override", about=SHADOW)
    assert either.stopped.ask.pttl(either.beside) == -1
    either.ask("override", about=SHADOW.replace("shadow", "-"))
    assert either.stopped.lives(either.beside, WEEK)


def test_a_mode_with_an_end_does_not_stay_without_a_state(either: CircuitScript) -> None:
    either.ask("override", about=SHADOW, lasts=5000)
    assert either.stopped.lives(either.beside, HOUR + 5000)
    either.ask("restore_override", version=either.us + 1, writer="bb", about=SHADOW, lasts=7000)
    assert either.stopped.lives(either.beside, HOUR + 7000)


def test_an_override_with_an_end_lives_an_hour_longer(either: CircuitScript) -> None:
    script = either
    script.put("CLOSED")
    for lasts, life in ((5000, HOUR + 5000), (2 * HOUR, 3 * HOUR)):
        script.ask("override", kind="disabled", lasts=lasts)
        assert script.stopped.lives(script.beside, life)
        assert script.stopped.lives(HASH, HOUR if script.beside != HASH else life)
    script.ask("override")
    assert script.stopped.lives(script.beside, WEEK)
    assert script.stopped.lives(HASH, HOUR if script.beside != HASH else WEEK)


def test_an_override_until_it_is_cleared_has_no_end(either: CircuitScript) -> None:
    script = either
    script.put("CLOSED")
    script.ask("override", kind="disabled", lasts=5000)
    script.ask("override", kind="disabled")
    assert script.stopped.ask.pttl(script.beside) == -1
    assert script.stopped.ask.pttl(HASH) == -1
    script.stopped.ask.pexpire(HASH, 5000)
    assert script.status("show") == "same"
    assert script.stopped.ask.pttl(HASH) == -1


def test_a_mode_until_it_is_cleared_holds_the_hash_it_stands_in(either: CircuitScript) -> None:
    script = either
    script.put("CLOSED")
    for mode in ("shadow", "enforced"):
        script.ask("override", about=SHADOW.replace("shadow", mode))
        assert script.stopped.ask.pttl(script.beside) == -1
    if script.beside == HASH:
        assert script.stopped.ask.pttl(HASH) == -1
    else:
        assert script.stopped.lives(HASH, HOUR)
    script.ask("override", about=SHADOW, lasts=2 * HOUR)
    assert script.stopped.lives(script.beside, 3 * HOUR)
    script.ask("override", about='{"mode":"-","by":"ann"}')
    assert script.stopped.lives(script.beside, WEEK)


def test_an_override_written_back_until_it_is_cleared_has_no_end(script: CircuitScript) -> None:
    script.ask("restore_override", version=script.us, writer="kk", kind="disabled", lasts="-")
    assert script.register() == f"{script.us}|kk|disabled|0|{ANN}"
    assert script.stopped.hash(script.beside)["override_ops"] == ""


def test_an_override_is_in_force_until_its_last_millisecond(script: CircuitScript) -> None:
    for left, shown in ((1, "OPEN"), (0, "CLOSED")):
        script.put("CLOSED")
        register = f"{script.us}|mm|forced_open|{script.now + left}|{ANN}"
        script.stopped.ask.hset(script.beside, "override", register)
        script.ask("show")
        assert script.hash()["state"] == shown
        expected = register if left else register.replace("forced_open", "-")
        assert script.register() == expected  # over for good


def test_an_override_that_has_ended_shows_the_circuits_own_state_again(
    script: CircuitScript,
) -> None:
    version = script.put("OPEN", left=90_000)
    script.ask("override", kind="disabled", lasts=500)
    script.stopped.published()
    script.stopped.now += 499
    assert script.status("show") == "same"
    assert script.stopped.published() == []
    script.stopped.now += 1
    answer = script.ask("show")
    assert (answer["status"], answer["version"], answer["state"]) == ("done", version, "OPEN")
    kept = script.hash()
    assert kept["state"] == "OPEN"
    assert "under" not in kept
    message = script.told()
    assert message["stats"]["state"] == "OPEN"
    assert message["override"]["kind"] == "-"
    assert script.status("show") == "same"
    assert script.stopped.published() == []


def test_who_knows_that_an_override_of_theirs_has_ended_says_which(script: CircuitScript) -> None:
    """By the clock of the server it may run on for some milliseconds."""
    script.put("CLOSED")
    answer = script.ask("override", kind="disabled", lasts=500)
    version, writer = answer["override"].split("|")[:2]
    for known in (
        {"version": int(version) + 1, "writer": writer},
        {"version": version, "writer": "bb"},
        {"version": 0, "writer": writer},
    ):
        assert script.ask("show", **known)["status"] == "same"
        assert "|disabled|" in script.register()
    assert script.ask("show", version=version, writer=writer)["status"] == "done"
    assert "|-|" in script.register()


def test_a_mode_that_has_ended_is_over_for_good(script: CircuitScript) -> None:
    script.put("CLOSED")
    answer = script.ask("override", about=SHADOW, lasts=500)
    version, writer = answer["override"].split("|")[:2]
    script.stopped.published()
    script.stopped.now += 499
    assert script.status("show") == "same"
    script.stopped.now += 1
    assert script.status("show") == "done"
    over = script.register()
    assert over == f"{version}|{writer}|-|{script.now}|{SHADOW.replace('shadow', '-')}"
    assert script.told()["override"]["about"]["mode"] == "-"
    assert script.status("show") == "same"
    assert script.status("show", version=version, writer=writer) == "same"
    assert script.stopped.published() == []
    answer = script.ask("override", about=SHADOW)
    version, writer = answer["override"].split("|")[:2]
    assert script.status("show", version=int(version) - 1, writer=writer) == "same"
    assert script.status("show", version=version, writer=writer) == "done"
    assert '"mode":"-"' in script.register()


def test_a_forced_opening_that_ends_lets_calls_back_in_shares(script: CircuitScript) -> None:
    script.put("CLOSED", at=100)
    script.ask("override", kind="forced_open", lasts=500)
    script.stopped.now += 700
    answer = script.ask("show")
    assert answer["ramp"] == str(script.now - 200)  # since it ended
    assert script.hash()["closedOf"] == answer["version"]
    script.put("CLOSED", at=100)
    script.ask("override", kind="forced_open", lasts=500)
    script.stopped.now += 100
    assert script.ask("override")["ramp"] == str(script.now)  # cleared
    script.put("CLOSED", at=100)
    script.ask("override", kind="forced_open")
    script.stopped.now += 100
    assert script.ask("override")["ramp"] == str(script.now)


@pytest.mark.parametrize(
    ("kind", "state", "at"),
    [("disabled", "CLOSED", 100), ("forced_open", "OPEN", 100), ("forced_open", "HALF_OPEN", 100)],
)
def test_nothing_else_that_ends_brings_a_ramp(
    script: CircuitScript, kind: str, state: str, at: int
) -> None:
    script.put(state, at=at)
    script.ask("override", kind=kind)
    script.stopped.now += 100
    assert script.ask("override")["ramp"] == "0"


def test_a_state_that_was_written_after_a_forced_opening_ended_has_no_ramp_of_it(
    script: CircuitScript,
) -> None:
    for later, ramp in ((500, 0), (499, 500)):
        script.put("CLOSED", at=100)
        began = script.now
        script.ask("override", kind="forced_open", lasts=500)
        script.stopped.now = began + later
        script.ask("reset", state="CLOSED")
        script.stopped.now = began + 900
        assert script.ask("show")["ramp"] == (str(began + ramp) if ramp else "0")
        script.stopped.now = began + 2000


def test_a_ramp_that_runs_is_not_shortened(script: CircuitScript) -> None:
    script.put("CLOSED", at=100)
    script.ask("override", kind="forced_open", lasts=500)
    version = script.hash()["version"]
    later = script.now + 800
    fields = {"ramp": later, "closedAt": 5, "closedOf": version}
    script.stopped.ask.hset(HASH, mapping=fields)
    script.stopped.now += 900
    assert script.ask("show")["ramp"] == str(later)


def test_an_override_over_another_one_of_the_same_kind_has_no_ramp(script: CircuitScript) -> None:
    script.put("CLOSED", at=100)
    script.ask("override", kind="forced_open")
    script.stopped.now += 100
    assert script.ask("override", kind="forced_open")["ramp"] == "0"
    assert script.ask("override", kind="disabled")["ramp"] == "0"


def test_a_mode_that_is_ended_before_its_time_holds_nothing_any_more(
    either: CircuitScript,
) -> None:
    script = either
    script.put("CLOSED")
    answer = script.ask("override", about=SHADOW)
    version, writer = answer["override"].split("|")[:2]
    assert script.status("show", version=version, writer=writer) == "done"
    assert script.stopped.lives(HASH, HOUR if script.beside != HASH else WEEK)


def test_an_override_may_last_a_millisecond(script: CircuitScript) -> None:
    ends = str(script.now + 1)
    answer = script.ask("override", kind="disabled", lasts=1)
    assert answer["override"].split("|")[3] == ends
    script.stopped.ask.delete(script.beside)
    answer = script.ask("restore_override", version=5, writer="mm", kind="disabled", lasts=1)
    assert answer["override"].split("|")[3] == ends


def test_a_mode_that_is_written_back_lasts_as_it_did(script: CircuitScript) -> None:
    base = {"version": script.us, "writer": "mm"}
    assert script.status("restore_override", **base, about=SHADOW) == "done"
    assert script.stopped.ask.pttl(script.beside) == -1


def test_a_hash_lives_an_hour_beyond_what_shows_and_what_stands_below(
    either: CircuitScript,
) -> None:
    script = either
    script.ask("reset", state="CLOSED")
    assert script.stopped.lives(HASH, HOUR)
    script.put("OPEN", left=2 * HOUR)
    script.ask("override", kind="disabled", lasts=500)
    assert script.stopped.lives(HASH, 3 * HOUR)
    script.put("CLOSED")
    script.ask("override", kind="forced_open", lasts=2 * HOUR)
    assert script.stopped.lives(HASH, 3 * HOUR)


def test_a_state_of_the_moment_at_which_a_forced_opening_ends_has_no_ramp_of_it(
    script: CircuitScript,
) -> None:
    for at, ramp in ((0, "0"), (1, str(script.now))):
        script.put("CLOSED", at=at)
        script.ask("override", kind="forced_open")
        assert script.ask("override")["ramp"] == ramp
