"""The script of what instances count together of a CLOSED circuit: their consecutive failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .circuit_script import ANN, SHADOW, WEEK, CircuitScript
from .evidence_script import EVIDENCE, HASH, HOUR, LIFE, VERSION, Asker, put

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def closed(stopped: Stopped) -> Stopped:
    put(stopped)
    return stopped


def test_what_was_counted_under_another_state_does_not_count(closed: Stopped) -> None:
    one = Asker(closed)
    stale = ["stale", "0", "-1", "-1", "0"]
    assert one.ask(version=str(int(VERSION) + 1), failures=(0,)) == stale
    assert one.ask(writer="ll", failures=(0,)) == stale
    assert one.ask(version="0", writer="", failures=(0,)) == stale
    assert not closed.ask.exists(EVIDENCE)
    assert one.ask(failures=(0,)) == ["done", "1", "-1", "-1", "0"]


def test_where_no_state_stands_only_what_was_never_shared_counts(stopped: Stopped) -> None:
    one = Asker(stopped)
    assert one.ask(failures=(0,)) == ["missing", "0", "-1", "-1", "0"]
    assert not stopped.ask.exists(EVIDENCE)
    assert one.fails(version="0", writer="") == "1"
    assert stopped.hash(EVIDENCE)[":of"] == "0|"
    put(stopped, "1", "")  # of no writer: none
    assert one.fails(version="0", writer="") == "2"


def test_the_evidence_of_an_earlier_state_goes_with_it(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.fails(0, 0) == "2"
    one.ask("vote", stands=5000)
    later = str(int(VERSION) + 1)
    put(closed, later)
    assert one.fails(version=later) == "1"
    assert one.ask(version=later)[4] == "0"
    assert set(closed.hash(EVIDENCE)) == {
        *(":of", ":run", ":plain", ":success", ":armed", ":suspect", ":said", ":seen:aa"),
    }
    put(closed, later, "nn")
    assert one.fails(version=later, writer="nn") == "1"


@pytest.mark.every_server
def test_evidence_in_the_hash_of_the_circuit_goes_without_the_circuit(closed: Stopped) -> None:
    one = Asker(closed, evidence=HASH)
    assert one.fails(0, 0) == "2"
    Asker(closed, "bb", HASH).ask("vote", stands=5000)
    Asker(closed, "bb", HASH).ask()
    assert closed.ask.ttl(HASH) == -1  # that is the circuit's
    later = str(int(VERSION) + 1)
    put(closed, later)
    closed.ask.hset(HASH, "x:of", "kept")
    one.number = 0
    assert one.fails(version=later) == "1"
    left = closed.hash(HASH)
    assert ":votes" not in left
    assert ":seen:bb" not in left
    assert {"state", "version", "writer", "x:of"} <= set(left)
    assert left[":of"] == f"{later}|mm"


@pytest.mark.parametrize(("about", "life"), [(SHADOW, -1), (ANN, WEEK)])
def test_evidence_in_the_hash_of_an_override_ended_that_after_two_hours(
    stopped: Stopped, about: str, life: int
) -> None:
    """A mode until it is cleared went with it, and one that was cleared could come back."""
    none = {"version": "0", "writer": ""}
    Asker(stopped, evidence=HASH).fails(**none)
    CircuitScript(stopped, HASH).ask("override", about=about)
    Asker(stopped, evidence=HASH).fails(**none)
    assert stopped.ask.pttl(HASH) == -1 if life < 0 else stopped.lives(HASH, life)


def test_evidence_lives_for_two_hours(stopped: Stopped) -> None:
    none = {"version": "0", "writer": ""}
    Asker(stopped, evidence=HASH).fails(**none)
    assert stopped.lives(HASH, LIFE)
    Asker(stopped).fails(**none)
    assert stopped.lives(EVIDENCE, LIFE)
    put(stopped)
    stopped.ask.persist(EVIDENCE)
    Asker(stopped).fails()
    assert stopped.lives(EVIDENCE, LIFE)


def test_a_report_that_comes_again_is_counted_once(closed: Stopped) -> None:
    one, other = Asker(closed), Asker(closed, "bb")
    assert one.fails() == "1"
    assert one.fails(again=True) == "1"
    one.number -= 1  # a late one
    assert one.fails(again=True) == "1"
    assert other.fails() == "2"
    assert closed.hash(EVIDENCE)[":seen:aa"] == "1"


def test_the_run_is_kept_in_the_order_of_its_failures(closed: Stopped) -> None:
    one, other = Asker(closed), Asker(closed, "bb")
    one.fails(300, 100, threshold=9)
    other.fails(200, threshold=9)
    us = closed.us
    assert closed.hash(EVIDENCE)[":run"] == f"{us - 300}:aa {us - 200}:bb {us - 100}:aa"


def test_a_failure_leaves_the_run_after_an_hour(closed: Stopped) -> None:
    one = Asker(closed)
    hour = HOUR * 1000
    assert one.fails(hour + 1, hour, hour - 1) == "2"
    closed.micro = 1
    assert one.ask()[1] == "1"


def test_failures_of_the_future_do_not_count(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(0, 5)
    closed.micro -= 1  # the clock was set back
    assert one.ask()[1] == "1"
    closed.micro -= 5
    assert one.ask()[1] == "0"


def test_the_last_five_hundred_failures_are_kept(closed: Stopped) -> None:
    one = Asker(closed)
    ages = tuple(range(501, 0, -1))
    assert one.fails(*ages, threshold=600) == "500"
    run = closed.hash(EVIDENCE)[":run"].split()
    assert (run[0], run[-1]) == (f"{closed.us - 500}:aa", f"{closed.us - 1}:aa")
    assert one.ask(plain="501:0", threshold=600)[1] == "1000"
    assert one.ask(plain="500:0", threshold=600)[1] == "1000"


def test_a_success_takes_the_failures_before_it_and_those_of_its_moment(closed: Stopped) -> None:
    one, other = Asker(closed), Asker(closed, "bb")
    one.fails(30, 20, 10, threshold=9)
    assert other.ask(success=20, threshold=9)[1] == "1"
    assert closed.hash(EVIDENCE)[":success"] == str(closed.us - 20)
    # What comes with it is later; what was told before it is not.
    assert one.fails(21, 20, 19, threshold=9) == "2"
    assert other.ask(success=25, threshold=9)[1] == "2"  # an older one says nothing new
    assert closed.hash(EVIDENCE)[":success"] == str(closed.us - 20)


def test_failures_that_come_with_a_success_are_later_than_it(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.fails(10, 5, success=5) == "2"


def test_a_success_of_the_future_takes_no_failures(closed: Stopped) -> None:
    one = Asker(closed)
    one.ask(success=0)
    closed.micro -= 1
    assert one.fails() == "1"
    assert one.ask(success=1)[1] == "1"
    assert closed.hash(EVIDENCE)[":success"] == str(closed.us - 1)


def test_what_basic_services_count_is_added_and_their_latest_word_holds(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(0)
    assert one.ask(plain="2:100", threshold=9)[1] == "3"
    assert one.ask(plain="4:101", threshold=9)[1] == "3"  # an earlier one
    assert one.ask(plain="4:100", threshold=9)[1] == "5"
    assert closed.hash(EVIDENCE)[":plain"] == f"4:{closed.us - 100}"
    assert one.ask(plain="nonsense", threshold=9)[1] == "5"
    assert one.ask(success=101, threshold=9)[1] == "5"
    assert one.ask(success=100, threshold=9)[1] == "1"
    # None counted: they had a success then.
    assert one.ask(plain="0:50", threshold=9)[1] == "1"
    assert closed.hash(EVIDENCE)[":success"] == str(closed.us - 50)
    assert one.ask(plain="0:0", threshold=9)[1] == "0"


def test_what_basic_services_counted_an_hour_ago_or_in_the_future_does_not_count(
    closed: Stopped,
) -> None:
    one = Asker(closed)
    one.ask(plain=f"2:{HOUR * 1000}")
    assert one.ask()[1] == "2"
    closed.micro += 1
    assert one.ask()[1] == "0"
    one.ask(plain="2:0")
    closed.micro -= 1
    assert one.ask()[1] == "0"


def test_a_failure_of_the_moment_of_a_success_reported_before_does_not_count(
    closed: Stopped,
) -> None:
    one = Asker(closed)
    one.ask(success=0)
    assert closed.hash(EVIDENCE)[":plain"] == "0:0"
    assert one.fails() == "0"
