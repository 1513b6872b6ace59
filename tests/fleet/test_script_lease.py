"""The script of the right to probe: who gets it, and what the others hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .lease_script import HASH, SLACK, VERSION, ask, left, probing, put

if TYPE_CHECKING:
    from .stopped import Stopped


def test_a_lease_is_given_with_the_places_that_are_left(stopped: Stopped) -> None:
    put(stopped)
    assert ask(stopped) == ["granted", "300", "2", "0"]
    assert left(stopped, "lease") == f"aa|{stopped.now}|{stopped.now + 300}|0"
    assert left(stopped, "probing") == ""
    assert stopped.published() == []
    # It is prolonged for its owner, with the probes that run, and others wait for its end.
    stopped.now += 100
    assert ask(stopped, running=1, busy_for=900) == ["granted", "300", "2", "0"]
    assert left(stopped, "probing") == probing("aa:1", stopped.now, stopped.now + 900)
    assert left(stopped, "lease") == f"aa|{stopped.now}|{stopped.now + 300}|0"
    stopped.now += 200
    assert ask(stopped, "bb") == ["held", "100", "0", "0"]
    stopped.now += 100  # to the end
    assert ask(stopped, "bb") == ["granted", "300", "1", "0"]


def test_the_places_that_others_take_are_not_given_and_free_when_the_first_ends(
    stopped: Stopped,
) -> None:
    put(stopped)
    ask(stopped, "bb", running=1, busy_for=500)
    ask(stopped, "cc", running=2, busy_for=700, places=9)
    stopped.now += 400
    assert ask(stopped, places=4) == ["granted", "300", "1", "0"]
    stopped.ask.hdel(HASH, "lease")
    for places in (2, 3):
        assert ask(stopped, places=places) == ["full", "100", "0", "0"]
    assert left(stopped, "lease") == ""
    stopped.now += 99
    assert ask(stopped, places=3) == ["full", "1", "0", "0"]
    stopped.now += 1
    assert ask(stopped, places=3) == ["granted", "300", "1", "0"]


def test_a_report_of_a_probe_is_told_to_all_by_name(stopped: Stopped) -> None:
    put(stopped)
    ask(stopped, "bb", running=1, busy_for=500)
    stopped.published()
    stopped.now += 7
    stopped.micro = 250
    ask(stopped, running=2, busy_for=900, successes=1, own=1)
    assert stopped.published() == [
        {
            "p": 1,
            "key": "pay",
            "signal": "probing",
            "version": VERSION,
            "writer": "mm",
            "ms": 900,
            "by": "aa",
            "running": {"bb": 1, "aa": 2},
            "successes": 1,
            "at": stopped.now + 0.25,
        }
    ]


def test_how_long_others_wait_for_a_probe_is_bounded(stopped: Stopped) -> None:
    put(stopped)
    for busy_for, told in ((2999, 2999), (3000, 3000), (3001, 3000)):
        ask(stopped, running=1, busy_for=busy_for)
        [message] = stopped.published()
        assert message["ms"] == told
        ask(stopped)
        [message] = stopped.published()
        assert (message["ms"], message["running"]) == (0, {})


def test_a_probe_of_another_that_lasts_longer_is_what_others_wait_for(stopped: Stopped) -> None:
    put(stopped)
    ask(stopped, "bb", running=1, busy_for=2000)
    ask(stopped, running=1, busy_for=100)
    assert [one["ms"] for one in stopped.published()] == [2000, 2000]
    stopped.now += 50
    ask(stopped)
    assert [one["ms"] for one in stopped.published()] == [1950]


def test_probes_are_told_when_they_change_and_every_two_seconds(stopped: Stopped) -> None:
    put(stopped)
    began = stopped.now
    for later, running, told in (
        (0, 1, True),
        (0, 1, False),
        (100, 2, True),
        (2099, 2, False),
        (2100, 2, True),
        (2101, 2, False),
        (2102, 0, True),
        (9000, 0, False),
    ):
        stopped.now = began + later
        ask(stopped, running=running, busy_for=5000)
        assert bool(stopped.published()) is told
        if told:
            assert left(stopped, "told") == str(stopped.now)
    # Told in the future, by a clock that was set back since.
    ask(stopped, running=1, busy_for=5000)
    stopped.published()
    for ahead, told in ((0, False), (1, True)):
        stopped.ask.hset(HASH, "told", stopped.now + ahead)
        ask(stopped, running=1, busy_for=5000)
        assert bool(stopped.published()) is told


@pytest.mark.parametrize(
    ("ended", "is_early"), [(-10_000, True), (-251, True), (-250, False), (-1, False), (0, False)]
)
def test_before_the_recovery_timeout_ends_there_is_no_lease(
    stopped: Stopped, ended: int, *, is_early: bool
) -> None:
    put(stopped, ended=ended)
    expected = ["early", str(-ended), "0", "0"] if is_early else ["granted", "300", "2", "0"]
    assert ask(stopped, running=1, busy_for=100) == expected
    assert bool(left(stopped, "probing")) is not is_early


def test_a_closed_circuit_has_no_lease_and_no_circuit_none_either(stopped: Stopped) -> None:
    gone, moved = ["gone", "0", "0", "0"], ["moved", "0", "0", "0"]
    assert ask(stopped) == gone
    put(stopped, "CLOSED")
    assert ask(stopped, running=1) == moved
    put(stopped, "HALF_OPEN")
    assert ask(stopped)[0] == "granted"
    put(stopped, version="", sum="")
    assert ask(stopped) == gone
    put(stopped, state="nonsense")
    assert ask(stopped) == gone


def test_a_newer_state_of_another_moves_the_asker_on_unless_its_probe_ended_the_timeout_too(
    stopped: Stopped,
) -> None:
    older = str(int(VERSION) - 1)
    moved = ["moved", "0", "0", "0"]
    for state, instance, running, expected in (
        ("OPEN", "aa", 0, "moved"),
        ("OPEN", "aa", 1, "moved"),
        ("HALF_OPEN", "aa", 0, "moved"),
        ("HALF_OPEN", "aa", 1, "granted"),
        ("HALF_OPEN", "mm", 0, "granted"),
        ("OPEN", "mm", 0, "granted"),
    ):
        put(stopped, state)
        answer = ask(stopped, instance, version=older, running=running, busy_for=100)
        assert answer[0] == expected
        if expected == "moved":
            assert answer == moved


def test_what_an_asker_of_an_older_state_counts_is_of_an_earlier_recovery(stopped: Stopped) -> None:
    put(stopped, "HALF_OPEN")
    older = str(int(VERSION) - 1)
    told = {"running": 1, "busy_for": 100, "successes": 4, "own": 3}
    assert ask(stopped, version=older, **told) == ["granted", "300", "2", "0"]
    assert left(stopped, "won") == ""
    assert ask(stopped, **told) == ["granted", "300", "2", "4"]
    assert left(stopped, "won") == f"aa:3:{stopped.now}"


def test_the_circuits_own_state_counts_under_an_override(stopped: Stopped) -> None:
    ended = stopped.now - 1000
    put(stopped, "CLOSED", under=f"OPEN|3|0|{ended}")
    assert ask(stopped)[0] == "granted"
    put(stopped, "OPEN", under="CLOSED|0|0|0")
    assert ask(stopped)[0] == "moved"
    put(stopped, "nonsense", sum=f"OPEN|3|0|{ended}")
    assert ask(stopped)[0] == "granted"
    put(stopped, failures="x", sum=f"OPEN|3|0|{stopped.now + 5000}")
    assert ask(stopped) == ["early", "5000", "0", "0"]
    put(stopped, successes="x", sum="CLOSED|0|0|0")
    assert ask(stopped)[0] == "moved"


@pytest.mark.parametrize(
    ("noted", "counts"),
    [
        (1000 + SLACK + 1, False),  # before the recovery timeout ended: of an earlier recovery
        (1000 + SLACK, True),
        (1000, True),
        (0, True),
        (-1, False),  # in the future, by a clock that was set back since
    ],
)
def test_what_was_noted_before_this_recovery_does_not_count(
    stopped: Stopped, noted: int, *, counts: bool
) -> None:
    at = stopped.now - noted
    put(stopped, lease=f"bb|{at}|{stopped.now + 200}|0")
    assert (ask(stopped)[0] == "held") is counts
    put(stopped, lease=f"aa|{at}|{stopped.now + 200}|5")
    assert ask(stopped)[3] == ("5" if counts else "0")
    put(stopped, probing=f"bb:1:{at}:{stopped.now + 200}")
    assert ask(stopped)[2] == ("1" if counts else "2")
    assert (left(stopped, "probing") != "") is counts
    put(stopped, won=f"bb:2:{at}")
    assert ask(stopped, successes=1, own=1)[3] == ("3" if counts else "1")


def test_a_timeout_that_a_clock_has_put_far_ahead_hides_nothing_that_is_noted(
    stopped: Stopped,
) -> None:
    def noted_with(ended: int, at: int) -> str:
        put(stopped, ended=ended, at=at, won=f"bb:2:{stopped.now - 50_000}")
        return ask(stopped)[3]

    assert noted_with(-250, -1) == "0"  # ends within the slack: the notes are older
    assert noted_with(-251, -1) == "2"  # it was written in the future: its end means nothing
    assert noted_with(-50_000, -1) == "2"


def test_a_lease_lasts_a_minute_at_most(stopped: Stopped) -> None:
    for ends, status in ((60_000, "held"), (60_001, "granted"), (1, "held"), (0, "granted")):
        put(stopped, lease=f"bb|{stopped.now}|{stopped.now + ends}|0")
        answer = ask(stopped)
        assert answer[0] == status
        if status == "held":
            assert answer == ["held", str(ends), "0", "0"]
    put(stopped, lease=f"bb|{stopped.now}|nonsense|0")
    assert ask(stopped)[0] == "granted"


def test_a_state_without_a_well_formed_writer_is_none_to_be_probed(stopped: Stopped) -> None:
    put(stopped, writer="m-m")
    assert ask(stopped)[0] == "gone"


def test_what_shows_holds_over_what_we_wrote_last(stopped: Stopped) -> None:
    put(stopped, sum="CLOSED|0|0|0")
    assert ask(stopped)[0] == "granted"
