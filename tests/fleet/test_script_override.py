"""The script that writes a circuit's state: overrides, and what shows under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import ANN, DAY, HASH, HOUR, OVER, SHADOW, CircuitScript

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def script(stopped: Stopped) -> CircuitScript:
    return CircuitScript(stopped)


@pytest.mark.every_server
def test_a_forced_opening_shows_over_the_circuits_own_state(script: CircuitScript) -> None:
    version = script.put("CLOSED")
    ends = script.now + 7000
    answer = script.ask("override", kind="forced_open", lasts=7000, about=ANN)
    register = f"{script.us}|aa|forced_open|{ends}|{ANN}"
    assert answer == {
        "status": "done",
        "version": version,
        "writer": "mm",
        "state": "CLOSED",
        "failures": "3",
        "successes": "0",
        "nextAttempt": "0",
        "at": str(script.now),
        "us": str(script.us),
        "reopened": "0",
        "why": "",
        "override": register,
        "closedAt": "0",
        "ramp": "0",
    }
    kept = script.hash()
    assert (kept["state"], kept["failures"], kept["successes"]) == ("OPEN", "3", "0")
    assert kept["nextAttempt"] == str(ends)
    assert (kept["sum"], kept["under"]) == (f"OPEN|3|0|{ends}", "CLOSED|3|0|0")
    assert script.stopped.hash(script.beside) == {"override": register, "override_ops": "aa-1"}
    stats = {"state": "OPEN", "failures": 3, "successes": 0, "nextAttempt": ends}
    own = {"state": "CLOSED", "failures": 3, "successes": 0, "nextAttempt": 0}
    assert script.told() == {
        "key": "pay",
        "stats": stats,
        "p": 1,
        "version": version,
        "writer": "mm",
        "at": script.now,
        "reopened": 0,
        "under": own,
        "override": {
            "version": str(script.us),
            "writer": "aa",
            "kind": "forced_open",
            "ends": ends,
            "about": {"by": "ann", "reason": "x"},
        },
    }
    assert script.stopped.lives(HASH, HOUR + 7000)


def test_disabled_shows_closed_over_an_opening_that_runs_below(script: CircuitScript) -> None:
    script.put("OPEN", left=9000)
    answer = script.ask("override", kind="disabled")
    assert (answer["state"], answer["nextAttempt"]) == ("OPEN", str(script.now + 9000))
    kept = script.hash()
    assert (kept["state"], kept["failures"], kept["nextAttempt"]) == ("CLOSED", "3", "0")
    assert kept["under"] == f"OPEN|3|0|{script.now + 9000}"
    assert script.told()["stats"] == {
        "state": "CLOSED",
        "failures": 3,
        "successes": 0,
        "nextAttempt": 0,
    }


def test_until_it_is_cleared_it_shows_an_end_a_day_ahead(script: CircuitScript) -> None:
    script.put("CLOSED")
    answer = script.ask("override", kind="forced_open")
    assert answer["override"].split("|")[3] == "0"
    assert script.hash()["nextAttempt"] == str(script.now + DAY)


def test_a_mode_shows_nothing(script: CircuitScript) -> None:
    script.put("OPEN")
    for about in (SHADOW, SHADOW.replace("shadow", "enforced")):
        answer = script.ask("override", about=about, lasts=7000)
        assert answer["override"].split("|", 2)[2] == f"-|{script.now + 7000}|{about}"
        assert script.hash()["state"] == "OPEN"
        assert "under" not in script.hash()
        message = script.told()
        assert message["override"]["about"]["mode"] in {"shadow", "enforced"}
        assert "under" not in message


def test_an_override_that_is_asked_for_again_is_set_once_and_said_again(
    script: CircuitScript,
) -> None:
    script.put("CLOSED")
    first = script.ask("override", operation="aa-x", kind="disabled")
    heard = script.told()
    script.stopped.now += 10
    again = script.ask("override", operation="aa-x", kind="forced_open")
    assert again == {**first, "status": "repeat", "us": str(script.us)}
    assert script.told() == heard
    # Where a basic service has written meanwhile, that is not spread.
    script.ask("override", operation="aa-y")
    script.basic("OPEN", script.now + 5000)
    script.stopped.published()
    assert script.status("override", operation="aa-y") == "repeat"
    assert script.stopped.published() == []
    assert script.stopped.hash(script.beside)["override_ops"] == "aa-x aa-y"


@pytest.mark.parametrize(
    ("ahead", "writer", "status"),
    [
        (0, "mm", "same"),
        (-1, "zz", "same"),
        (0, "ll", "same"),
        (0, "nn", "done"),
        (1, "aa", "done"),
    ],
)
def test_an_override_is_written_back_over_what_is_older(
    script: CircuitScript, ahead: int, writer: str, status: str
) -> None:
    script.put("CLOSED")
    before = f"{script.us}|mm|disabled|0|{ANN}"
    script.stopped.ask.hset(script.beside, mapping={"override": before, "override_ops": "x-1"})
    base = {"version": script.us + ahead, "writer": writer}
    ask = {"kind": "forced_open", "lasts": 700, "about": ANN}
    assert script.status("restore_override", **base, **ask) == status
    after = f"{script.us + ahead}|{writer}|forced_open|{script.now + 700}|{ANN}"
    assert script.stopped.hash(script.beside) == {
        "override": after if status == "done" else before,
        "override_ops": "x-1",
    }
    assert len(script.stopped.published()) == (status == "done")


def test_a_mode_that_0_3_wrote_back_without_it_is_completed(script: CircuitScript) -> None:
    base = {"version": script.us, "writer": "mm"}
    for kind, register, about, status in (
        ("-", ANN, SHADOW, "done"),
        ("-", SHADOW, SHADOW, "same"),
        ("-", ANN, ANN, "same"),
        ("-", ANN, OVER, "done"),
        ("-", OVER, SHADOW, "same"),
        ("disabled", ANN, SHADOW, "same"),
    ):
        script.put("CLOSED")
        script.stopped.ask.hset(script.beside, "override", f"{script.us}|mm|{kind}|0|{register}")
        assert script.status("restore_override", **base, about=about) == status
        expected = about if status == "done" else register
        assert script.register().endswith(f"|{expected}")
    script.stopped.ask.hset(script.beside, "override", f"{script.us}|zz|-|0|{ANN}")
    assert script.status("restore_override", **base, about=SHADOW) == "same"


@pytest.mark.parametrize(
    "register",
    [
        "0|mm|disabled|0|" + ANN,
        "x|mm|disabled|0|" + ANN,
        "5|m-m|disabled|0|" + ANN,
        "5|mm|half|0|" + ANN,
        "5|mm|disabled|x|" + ANN,
        "5|mm|disabled|99999999999999999|" + ANN,
        "5|mm|disabled|0|nonsense",
        "5|mm|disabled",
        "x5|mm|disabled|0|" + ANN,
    ],
)
def test_a_register_that_is_malformed_is_none(script: CircuitScript, register: str) -> None:
    script.put("CLOSED")
    script.stopped.ask.hset(script.beside, "override", register)
    answer = script.ask("show")
    assert (answer["status"], answer["override"]) == ("same", "")
    good = f"5|mm|disabled|0|{ANN}"
    script.stopped.ask.hset(script.beside, "override", good)
    assert script.ask("show")["override"] == good


def test_what_shows_is_mended_where_it_does_not_fit_the_override(script: CircuitScript) -> None:
    """The override was written back, and the hash was not."""
    script.put("CLOSED")
    register = f"{script.us}|mm|forced_open|{script.now + 5000}|{ANN}"
    script.stopped.ask.hset(script.beside, "override", register)
    assert script.status("show") == "done"
    assert script.hash()["state"] == "OPEN"
    assert script.status("show") == "same"
    script.stopped.ask.delete(script.beside)
    assert script.status("show") == "done"
    assert script.hash()["state"] == "CLOSED"
    assert "under" not in script.hash()


def test_an_override_in_the_place_of_another_type_is_none(script: CircuitScript) -> None:
    script.stopped.ask.set(script.beside, "text")
    assert script.status("change") == "done"
