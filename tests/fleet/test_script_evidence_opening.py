"""The script of what instances count together: suspicion, objections and votes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .evidence_script import ARMED, EVIDENCE, Asker, names, put

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def closed(stopped: Stopped) -> Stopped:
    put(stopped)
    return stopped


def test_a_run_that_is_long_enough_is_suspect_since_its_first_failure(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.ask(failures=(5000, 2000)) == ["done", "2", "-1", "-1", "0"]
    assert names(closed) == [ARMED]
    assert one.ask(failures=(0,)) == ["done", "3", "0", "-1", "0"]
    assert names(closed) == [("suspect", 5)]
    assert closed.hash(EVIDENCE)[":suspect"] == str(closed.now)
    closed.now += 7
    assert one.ask() == ["done", "3", "7", "-1", "0"]
    assert names(closed) == []


def test_a_run_is_suspect_since_the_first_word_of_a_basic_service_if_that_is_earlier(
    closed: Stopped,
) -> None:
    one = Asker(closed)
    one.ask(failures=(2000, 1000), plain="1:9000")
    assert names(closed) == [("suspect", 9)]
    closed.ask.delete(EVIDENCE)
    one.ask(plain="3:4000")
    assert names(closed) == [("suspect", 4)]
    closed.ask.delete(EVIDENCE)
    one.ask(failures=(8000, 7000), plain="1:3000")
    assert names(closed) == [("suspect", 8)]
    closed.ask.delete(EVIDENCE)
    one.ask(failures=(8000,), plain="2:3000")
    assert names(closed) == [("suspect", 8)]


def test_a_run_that_nobody_confirms_is_suspect_again_after_a_second(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(0, 0, 0)
    began = closed.now
    assert names(closed) == [("suspect", 0)]
    for later, expected in ((1000, []), (1001, [("suspect", 1001)]), (1002, [])):
        closed.now = began + later
        one.fails()
        assert names(closed) == expected
    closed.ask.hset(EVIDENCE, ":suspect", closed.now)
    one.fails()
    assert names(closed) == []
    closed.ask.hset(EVIDENCE, ":suspect", closed.now + 1)
    one.fails()
    assert names(closed) == [("suspect", 1002)]


def test_a_run_that_a_success_has_shortened_is_not_suspect_any_more(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(300_000, 200_000, 100_000)
    assert names(closed) == [("suspect", 300)]
    assert one.ask(success=250_000) == ["unsaid", "2", "-1", "-1", "0"]
    assert closed.hash(EVIDENCE)[":suspect"] == "0"
    closed.now += 500
    assert one.ask("confirm", threshold=2)[0] == "refused"
    one.ask(success=0)
    assert names(closed) == []
    one.ask(failures=(), success=None)
    assert closed.hash(EVIDENCE)[":suspect"] == "0"


def test_without_a_rule_of_failures_none_is_suspect(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.ask(failures=(0,) * 5, threshold=0)[:3] == ["done", "5", "-1"]
    closed.now += 500
    assert one.ask("confirm", threshold=0)[0] == "refused"


def test_only_what_was_suspect_long_enough_is_confirmed(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.ask("confirm", threshold=1) == ["refused", "0", "-1", "-1", "0"]
    one.fails(0, 0, 0)
    began = closed.now
    for later, status in ((139, "refused"), (140, "confirmed"), (900, "confirmed")):
        closed.now = began + later
        assert one.ask("confirm") == [status, "3", str(later), "-1", "0"]
    assert one.ask("confirm", threshold=4)[0] == "refused"
    assert one.ask("confirm", threshold=0)[0] == "refused"
    closed.ask.hset(EVIDENCE, ":suspect", 0)
    assert one.ask("confirm")[0] == "refused"
    assert one.ask("confirm", failures=(0,))[1] == "3"  # it counts nothing


def test_votes_count_while_they_stand_one_for_each(closed: Stopped) -> None:
    one, other = Asker(closed), Asker(closed, "bb")
    assert one.ask("vote", stands=1000)[4] == "1"
    assert one.ask("vote", stands=900)[4] == "1"
    assert other.ask("vote", stands=500)[4] == "2"
    assert one.ask()[4] == "2"
    ends = closed.now
    assert closed.hash(EVIDENCE)[":votes"] == f"aa:{ends + 900} bb:{ends + 500}"
    closed.now = ends + 499
    assert one.ask()[4] == "2"
    closed.now = ends + 500
    assert one.ask()[4] == "1"
    assert other.ask()[4] == "1"
    closed.now = ends + 899
    assert other.ask()[4] == "1"
    assert one.ask("vote", stands=0)[4] == "0"
    assert closed.hash(EVIDENCE)[":votes"] == ""
    one.ask("vote", stands=100)
    closed.now += 100
    assert one.ask()[4] == "0"


def test_a_vote_of_an_instance_stays_while_it_reports(closed: Stopped) -> None:
    one = Asker(closed)
    one.ask("vote", stands=1)
    assert one.ask()[4] == "1"
    assert one.ask("confirm")[4] == "1"
    closed.now += 1
    assert one.ask()[4] == "0"


def test_a_success_ends_what_was_suspect(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(2, 2, 2)
    assert one.ask(success=0) == ["done", "0", "-1", "-1", "0"]
    assert closed.hash(EVIDENCE)[":suspect"] == "0"


def test_one_failure_may_be_enough(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.ask(failures=(0,), threshold=1) == ["done", "1", "0", "-1", "0"]
    assert names(closed) == [("suspect", 0)]
    closed.now += 140
    assert one.ask("confirm", threshold=1)[0] == "confirmed"
