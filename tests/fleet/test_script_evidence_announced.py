"""The script of what instances count together: what is announced of it, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .evidence_script import ARMED, END, EVIDENCE, HOUR, VERSION, Asker, names, put

if TYPE_CHECKING:
    from .stopped import Stopped


@pytest.fixture
def closed(stopped: Stopped) -> Stopped:
    put(stopped)
    return stopped


def test_a_run_is_announced_when_it_begins_and_its_end_too(closed: Stopped) -> None:
    one = Asker(closed)
    assert one.ask(failures=(0,))[0] == "done"
    assert names(closed) == [ARMED]
    assert closed.hash(EVIDENCE)[":armed"] == str(closed.now)
    assert closed.hash(EVIDENCE)[":said"] == str(closed.now)
    closed.now += 1
    one.ask(success=0)
    assert names(closed) == [END]
    assert closed.hash(EVIDENCE)[":armed"] == "0"
    one.ask(success=0)
    assert names(closed) == []


def test_a_run_is_announced_ten_times_a_second_at_most(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails()
    began = closed.now
    one.ask(success=0)
    assert names(closed) == [ARMED, END]
    for later, status, expected in ((99, "unsaid", []), (100, "done", [ARMED])):
        closed.now = began + later
        assert one.ask(failures=(0,))[0] == status
        assert names(closed) == expected
        assert one.ask(again=True)[0] == status


def test_an_announcement_of_the_future_keeps_none_back(closed: Stopped) -> None:
    one = Asker(closed)
    for ahead, expected in ((0, []), (1, [ARMED])):
        closed.ask.hset(EVIDENCE, mapping={":of": f"{VERSION}|mm", ":said": closed.now + ahead})
        one.fails()
        assert names(closed) == expected
        closed.ask.delete(EVIDENCE)


def test_what_was_not_announced_is_announced_by_a_report_of_nothing(closed: Stopped) -> None:
    one = Asker(closed)
    one.ask(success=0)
    closed.ask.hset(EVIDENCE, ":said", closed.now)
    closed.micro += 1
    assert one.ask(failures=(0,))[0] == "unsaid"
    closed.now += 100
    assert one.ask()[0] == "done"
    assert names(closed) == [ARMED]


def test_failures_are_announced_again_after_a_second_only_if_there_are_more(
    closed: Stopped,
) -> None:
    one = Asker(closed)
    began = closed.now
    for later, failures, expected in (
        (0, 1, [ARMED]),
        (999, 1, []),
        (1000, 0, []),
        (1000, 1, [ARMED]),
        (1001, 1, []),
        (5000, 0, []),
        (5001, 1, [ARMED]),
    ):
        closed.now = began + later
        one.ask(failures=(0,) if failures else (2 * HOUR * 1000,), threshold=9)
        assert names(closed) == expected


def test_armed_in_the_future_is_armed_again(closed: Stopped) -> None:
    one = Asker(closed)
    for ahead, expected in ((0, []), (1, [ARMED])):
        one.fails(threshold=9)
        closed.published()
        closed.ask.hset(EVIDENCE, mapping={":armed": closed.now + ahead, ":said": 0})
        one.fails(threshold=9)
        assert names(closed) == expected


def test_when_a_success_has_taken_some_the_rest_is_announced_again(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(20_000, 10_000, threshold=9)
    assert names(closed) == [ARMED]
    closed.now += 100
    one.ask(success=115_000, threshold=9)
    assert names(closed) == [ARMED]
    # And when nothing was there to be taken it is not.
    closed.now += 100
    one.ask(success=400_000, threshold=9)
    assert names(closed) == []


def test_a_report_of_nothing_announces_nothing_again(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(2)
    one.fails(2, 2)
    assert names(closed) == [ARMED, ("suspect", 0)]
    closed.now += 1500
    one.ask()
    assert names(closed) == []
    one.ask(plain="3:0")
    assert names(closed) == [("suspect", 1500)]
    closed.ask.delete(EVIDENCE)
    one.fails()
    assert names(closed) == [ARMED]
    closed.now += HOUR + 1
    one.ask()
    assert names(closed) == []


def test_a_failure_after_the_success_that_took_the_only_one_is_announced(closed: Stopped) -> None:
    one = Asker(closed)
    one.fails(20_000)
    assert names(closed) == [ARMED]
    closed.now += 100
    assert one.ask(failures=(0,), success=10)[1] == "1"
    assert names(closed) == [ARMED]
