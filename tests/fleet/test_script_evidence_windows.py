"""The script of what instances count together: calls in windows, for the rules of rates."""

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


WINDOW = "10.0 s by 10"


def bucket(ago: int, *kinds: int, name: str = WINDOW, width: int = 1000, buckets: int = 10) -> str:
    return f"{name}|{width}|{buckets}|{ago}|{','.join(map(str, kinds))}"


@pytest.fixture
def even(closed: Stopped) -> Stopped:
    """At the beginning of a bucket of all widths."""
    closed.now -= closed.now % 10_000
    return closed


def test_calls_of_several_are_added_up_by_kind(even: Stopped) -> None:
    one, other = Asker(even), Asker(even, "bb")
    answer = one.ask(calls=bucket(0, 1, 2, 3, 4, 5))
    assert answer[5:] == [WINDOW, "1,2,3,4,5"]
    answer = other.ask(calls="\n".join((bucket(0, 10, 0, 0, 0, 1), bucket(1500, 0, 7, 0, 0, 0))))
    assert answer[5:] == [WINDOW, "11,9,3,4,6"]
    index = even.now // 1000
    kept = even.hash(EVIDENCE)
    assert kept[f":calls:{index % 10}:{WINDOW}"] == f"{index}|11,2,3,4,6"
    assert kept[f":calls:{(index - 2) % 10}:{WINDOW}"] == f"{index - 2}|0,7,0,0,0"


def test_calls_leave_a_window_with_their_bucket(even: Stopped) -> None:
    one = Asker(even)
    one.ask(calls=bucket(0, 1, 0, 0, 0, 0))
    nothing = bucket(0, 0, 0, 0, 0, 0)
    even.now += 9999
    assert one.ask(calls=nothing)[6] == "1,0,0,0,0"
    even.now += 1
    assert one.ask(calls=nothing)[6] == "0,0,0,0,0"
    # Their bucket is that of others now.
    index = even.now // 1000
    assert even.hash(EVIDENCE)[f":calls:{index % 10}:{WINDOW}"] == f"{index}|0,0,0,0,0"
    one.ask(calls=bucket(0, 2, 0, 0, 0, 0))
    assert one.ask(calls=bucket(10_000, 5, 0, 0, 0, 0))[6] == "2,0,0,0,0"  # too late


def test_calls_of_the_future_do_not_count_and_are_written_over(even: Stopped) -> None:
    one = Asker(even)
    one.ask(calls=bucket(0, 1, 0, 0, 0, 0))
    even.now -= 1
    assert one.ask(calls=bucket(1000, 0, 0, 0, 0, 0))[6] == "0,0,0,0,0"
    one.ask(calls=bucket(-0, 3, 0, 0, 0, 0))
    even.now += 1
    assert one.ask(calls=bucket(0, 2, 0, 0, 0, 0))[6] == "6,0,0,0,0"
    even.now -= 10_000
    assert one.ask(calls=bucket(0, 4, 0, 0, 0, 0))[6] == "4,0,0,0,0"


def test_windows_are_counted_apart_and_answered_in_their_order(even: Stopped) -> None:
    one = Asker(even)
    wide = {"name": "60.0 s by 2", "width": 30_000, "buckets": 2}
    calls = "\n".join((bucket(0, 1, 0, 0, 0, 0), bucket(5, 2, 0, 0, 0, 0, **wide)))
    assert one.ask(calls=calls)[5:] == [WINDOW, "1,0,0,0,0", wide["name"], "2,0,0,0,0"]
    calls = "\n".join((bucket(5, 2, 0, 0, 0, 0, **wide), bucket(0, 1, 0, 0, 0, 0)))
    assert one.ask(calls=calls)[5:] == [wide["name"], "4,0,0,0,0", WINDOW, "2,0,0,0,0"]
    assert len(one.ask()) == 5


def test_a_window_has_a_hundred_buckets_at_most_and_one_at_least(even: Stopped) -> None:
    one = Asker(even)
    for name, said, width, far, near in (
        ("many", 101, 1, 100, 99),
        ("none", 0, 1000, 1000, 0),
        ("narrow", 2, 0, 2, 1),
    ):
        told = {"name": name, "width": width, "buckets": said}
        assert one.ask(calls=bucket(near, 1, 0, 0, 0, 0, **told))[6] == "1,0,0,0,0"
        assert one.ask(calls=bucket(far, 1, 0, 0, 0, 0, **told))[6] == "1,0,0,0,0"


def test_more_kinds_than_five_are_not_counted_and_sums_are_bounded(even: Stopped) -> None:
    one = Asker(even)
    assert one.ask(calls=bucket(0, 1, 2, 3, 4, 5, 6))[6] == "1,2,3,4,5"
    even.ask.delete(EVIDENCE)
    most = 10**12
    assert one.ask(calls=bucket(0, most + 1, most, most - 1, 0, most + 1))[6] == (
        f"{most},{most},{most - 1},0,{most}"
    )


def test_while_a_rate_is_reached_calls_are_added_up_for_the_longest_window(even: Stopped) -> None:
    one = Asker(even)
    both = "\n".join(
        (bucket(0, 1, 0, 0, 0, 0), bucket(0, 1, 0, 0, 0, 0, name="w", width=300, buckets=3))
    )
    assert one.ask(calls=both)[3] == "-1"
    assert names(even) == []
    assert one.ask(calls=both, rate=1)[3] == "0"
    assert names(even) == [("hot", 10_000)]
    began = even.now
    assert even.hash(EVIDENCE)[":hot"] == f"{began}|{began + 10_000}|{began}"
    for later, rate, since, expected in (
        (499, 1, "499", []),
        (500, 1, "500", [("hot", 10_000)]),
        (501, 1, "501", []),
        (10_500, 0, "10500", []),
        (10_501, 0, "-1", []),
        (10_501, 1, "0", [("hot", 10_000)]),
    ):
        even.now = began + later
        assert one.ask(calls=both, rate=rate)[3] == since
        assert names(even) == expected
    even.now += 400
    assert one.ask(rate=1)[3] == "400"  # no window: nothing to be added up
    assert names(even) == []
    assert even.hash(EVIDENCE)[":hot"].split("|")[1] == str(began + 20_501)


def test_hot_is_announced_ten_times_a_second_at_most_with_all_else(even: Stopped) -> None:
    one = Asker(even)
    calls = bucket(0, 1, 0, 0, 0, 0)
    one.ask(failures=(0,), calls=calls, rate=1)
    assert names(even) == [ARMED]
    even.now += 99
    one.ask(calls=calls, rate=1)
    assert names(even) == []
    even.now += 1
    one.ask(calls=calls, rate=1)
    assert names(even) == [("hot", 10_000)]


@pytest.mark.parametrize("ahead", ["since", "said"])
def test_hot_since_or_announced_in_the_future_begins_anew(even: Stopped, ahead: str) -> None:
    one = Asker(even)
    calls = bucket(0, 1, 0, 0, 0, 0)
    one.ask(calls=calls)
    now, end = even.now, even.now + 9000
    kept = {
        "since": (f"{now}|{end}|{now}", f"{now + 1}|{end}|{now}"),
        "said": (f"{now - 5}|{end}|{now}", f"{now - 5}|{end}|{now + 1}"),
    }[ahead]
    even.ask.hset(EVIDENCE, ":hot", kept[0])
    assert one.ask()[3] == ("0" if ahead == "since" else "5")
    even.ask.hset(EVIDENCE, ":hot", kept[1])
    assert one.ask()[3] == "-1"
    assert one.ask(calls=calls, rate=1)[3] == "0"
    assert names(even) == [("hot", 10_000)]
