"""The script of heartbeats, at each of its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .stopped import Stopped

LIVE, ABOUT = "circuit#{live}", "circuit#{live}:about"
LOST, FORGOTTEN, EVERY = 15_000, 60_000, 5_000


def beat(stopped: Stopped, instance: str, about: str = "{}") -> list[Any]:
    arguments = (instance, about, LOST, FORGOTTEN, EVERY, "circuit#signals", 1)
    return stopped.run("heartbeat.lua", (LIVE, ABOUT), *arguments)


def seen(stopped: Stopped, instance: str, ago: int) -> None:
    stopped.ask.zadd(LIVE, {instance: stopped.now - ago})
    stopped.ask.hset(ABOUT, instance, "{}")


def who(stopped: Stopped) -> set[str]:
    listed: Any = stopped.ask.zrange(LIVE, 0, -1)
    about = set(stopped.hash(ABOUT)) - {"#tick"}
    assert set(listed) == about
    return about


def ticks(stopped: Stopped) -> list[int]:
    published = stopped.published()
    assert all(one == {"p": 1, "signal": "tick", "live": one["live"]} for one in published)
    return [one["live"] for one in published]


@pytest.mark.every_server
def test_a_heartbeat_is_noted_with_its_time_and_counted(stopped: Stopped) -> None:
    stopped.micro = 999
    assert beat(stopped, "aa", '{"host":"a"}') == [1, 1]
    assert stopped.ask.zscore(LIVE, "aa") == stopped.now
    assert stopped.hash(ABOUT) == {"aa": '{"host":"a"}', "#tick": str(stopped.now)}
    assert beat(stopped, "aa", '{"host":"b"}') == [1, 0]
    assert stopped.hash(ABOUT)["aa"] == '{"host":"b"}'
    assert beat(stopped, "bb") == [2, 1]
    assert stopped.lives(LIVE, 2 * FORGOTTEN)
    assert stopped.lives(ABOUT, 2 * FORGOTTEN)


def test_an_instance_that_was_silent_too_long_is_not_counted_and_is_forgotten_later(
    stopped: Stopped,
) -> None:
    for ago in (LOST, LOST + 1, FORGOTTEN, FORGOTTEN + 1, FORGOTTEN + 2):
        seen(stopped, f"ago{ago}", ago)
    assert beat(stopped, "aa") == [2, 1]
    assert ticks(stopped) == [2]
    assert who(stopped) == {"aa", f"ago{LOST}", f"ago{LOST + 1}", f"ago{FORGOTTEN}"}


def test_instances_seen_in_the_future_are_forgotten_as_their_clock_was_wrong(
    stopped: Stopped,
) -> None:
    for ahead in (999, 1000, 1001, 5000):
        seen(stopped, f"ahead{ahead}", -ahead)
    assert beat(stopped, "aa") == [2, 1]
    assert who(stopped) == {"aa", "ahead999"}


def test_who_leaves_is_gone_at_once_and_nobody_is_told(stopped: Stopped) -> None:
    beat(stopped, "aa")
    beat(stopped, "bb")
    seen(stopped, "old", FORGOTTEN + 1)
    stopped.published()
    stopped.ask.persist(LIVE)
    assert beat(stopped, "aa", "") == [1, 0]
    assert who(stopped) == {"bb"}
    assert ticks(stopped) == []
    assert stopped.ask.pttl(LIVE) == -1


def test_a_tick_comes_each_five_seconds(stopped: Stopped) -> None:
    beat(stopped, "aa")
    assert ticks(stopped) == [1]
    began = stopped.now
    for later, expected in ((EVERY - 1, []), (EVERY, [1]), (EVERY + 1, []), (2 * EVERY, [1])):
        stopped.now = began + later
        beat(stopped, "aa")
        assert ticks(stopped) == expected
    assert stopped.hash(ABOUT)["#tick"] == str(began + 2 * EVERY)


def test_a_tick_of_the_future_keeps_none_back(stopped: Stopped) -> None:
    beat(stopped, "aa")
    for ahead, expected in ((0, []), (1, [1])):
        stopped.ask.hset(ABOUT, "#tick", stopped.now + ahead)
        stopped.published()
        beat(stopped, "aa")
        assert ticks(stopped) == expected


def test_an_instance_that_comes_is_told_at_once_but_not_each_of_many(stopped: Stopped) -> None:
    for number in range(31):
        beat(stopped, f"i{number}")
    assert ticks(stopped) == list(range(1, 32))
    began = stopped.now
    for name, later, expected in (
        ("n32", 0, [32]),
        ("n33", 99, []),
        ("n34", 100, [34]),
        ("n35", 150, []),
        ("n34", 350, []),  # not a new one
        ("n36", 351, [36]),
    ):
        stopped.now = began + later
        beat(stopped, name)
        assert ticks(stopped) == expected


@pytest.mark.parametrize("kind", ["the longest", "a second"])
def test_a_clock_is_read_with_its_parts_of_a_second(stopped: Stopped, kind: str) -> None:
    stopped.now += 987 if kind == "the longest" else 0
    stopped.micro = 654
    beat(stopped, "aa")
    assert stopped.ask.zscore(LIVE, "aa") == stopped.now
