"""The script of what instances count together of a CLOSED circuit, at each of its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .stopped import Stopped

HASH, EVIDENCE = "circuit:pay", "circuit#evidence:{circuit:pay}"
VERSION = "1700000000000000"
HOUR = 3_600_000
LIFE = 2 * HOUR


@pytest.fixture
def closed(stopped: Stopped) -> Stopped:
    put(stopped)
    return stopped


def put(stopped: Stopped, version: str = VERSION, writer: str = "mm") -> None:
    fields = {"state": "CLOSED", "version": version, "writer": writer}
    stopped.ask.hset(HASH, mapping=fields)


class Asker:
    """An instance that numbers its reports."""

    def __init__(self, stopped: Stopped, name: str = "aa", evidence: str = EVIDENCE) -> None:
        self.stopped = stopped
        self.name = name
        self.number = 0
        self.evidence = evidence

    def ask(
        self,
        what: str = "report",
        *,
        version: str = VERSION,
        writer: str = "mm",
        threshold: int = 3,
        failures: tuple[int, ...] = (),
        success: int | None = None,
        plain: str = "-",
        rate: int = 0,
        calls: str = "",
        stands: int = 0,
        objecting: int = 140,
        again: bool = False,
    ) -> list[Any]:
        self.number += not again
        arguments = (
            *(what, self.name, self.number, version, writer, "circuit#signals", '"pay"', 1),
            *(threshold, " ".join(map(str, failures)), "-" if success is None else success),
            *(plain, rate, calls, stands, objecting),
        )
        return self.stopped.run("evidence.lua", (HASH, self.evidence), *arguments)

    def fails(self, *ago: int, **more: Any) -> str:
        """Report failures of so long ago (us), and return how many count."""
        return str(self.ask(failures=ago or (0,), **more)[1])


def names(stopped: Stopped) -> list[tuple[str, int]]:
    published = stopped.published()
    for one in published:
        assert one == {
            "p": 1,
            "key": "pay",
            "signal": one["signal"],
            "version": VERSION,
            "writer": "mm",
            "ms": one["ms"],
        }
    return [(one["signal"], one["ms"]) for one in published]


ARMED, END = ("armed", HOUR), ("end", 0)


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


def test_a_failure_of_the_moment_of_a_success_reported_before_does_not_count(
    closed: Stopped,
) -> None:
    one = Asker(closed)
    one.ask(success=0)
    assert closed.hash(EVIDENCE)[":plain"] == "0:0"
    assert one.fails() == "0"


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
