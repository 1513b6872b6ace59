"""The script of the right to probe: the probes and the successes that it notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lease_script import DAY, ask, left, put

if TYPE_CHECKING:
    from .stopped import Stopped


def test_a_probe_that_is_over_or_lasts_beyond_a_day_takes_no_place(stopped: Stopped) -> None:
    for till, places in ((0, "2"), (1, "1"), (DAY, "1"), (DAY + 1, "2")):
        put(stopped, probing=f"bb:1:{stopped.now}:{stopped.now + till}")
        assert ask(stopped)[2] == places
    put(stopped, probing=f"{'b' * 65}:1:{stopped.now}:{stopped.now + 100}")
    assert ask(stopped)[2] == "2"


def test_probes_of_the_asker_are_those_that_it_reports(stopped: Stopped) -> None:
    put(stopped, probing=f"aa:2:{stopped.now}:{stopped.now + 900}")
    assert ask(stopped)[2] == "2"
    assert left(stopped, "probing") == ""
    [message] = stopped.published()
    assert message["running"] == {}


def test_a_hundred_are_noted_and_forty_named(stopped: Stopped) -> None:
    till = stopped.now + 900
    words = [f"i{number}:2:{stopped.now}:{till}" for number in range(101)]
    put(stopped, probing=" ".join(words), won=" ".join(words).replace(f":{till}", ""))
    assert ask(stopped, running=1, busy_for=10, places=300)[2] == "100"
    kept = left(stopped, "probing").split()
    assert kept == [*words[:100], f"aa:1:{stopped.now}:{stopped.now + 10}"]
    [message] = stopped.published()
    named = {f"i{number}": 2 for number in range(40)}
    assert message["running"] == {**named, "": 2 * 60 + 1}
    put(stopped, probing=" ".join(words[:40]))
    ask(stopped, running=1, busy_for=10)
    [message] = stopped.published()
    assert message["running"] == {**named, "": 1}
    put(stopped, probing=" ".join(words[:39]))
    ask(stopped, running=3, busy_for=10)
    [message] = stopped.published()
    assert message["running"] == {**{f"i{number}": 2 for number in range(39)}, "aa": 3}


def test_successes_of_several_add_up_once_each(stopped: Stopped) -> None:
    put(stopped)
    assert ask(stopped, "bb", successes=1, own=1)[3] == "1"
    assert left(stopped, "won") == f"bb:1:{stopped.now}"
    [message] = stopped.published()
    assert message["successes"] == 1
    stopped.now += 400
    assert ask(stopped, successes=1, own=1)[3] == "2"
    won = left(stopped, "won")
    assert won == f"bb:1:{stopped.now - 400} aa:1:{stopped.now}"
    stopped.published()
    # It is told again, since its answer was lost: nothing changes, and nothing is published.
    stopped.now += 100
    assert ask(stopped, successes=1, own=1)[3] == "2"
    assert ask(stopped, successes=1, own=0)[3] == "2"
    assert left(stopped, "won") == won
    assert stopped.published() == []
    # A version up to 0.3 does not send how many were its own.
    stopped.now += 400
    assert ask(stopped, "cc", successes=3, own=None)[3] == "3"
    stopped.now += 400
    assert ask(stopped, "dd", successes=0)[3] == "3"
    assert left(stopped, "lease").endswith("|3")


def test_more_than_a_hundred_that_succeeded_are_not_noted(stopped: Stopped) -> None:
    words = [f"i{number}:2:{stopped.now}" for number in range(101)]
    put(stopped, won=" ".join(words))
    assert ask(stopped)[3] == "200"
    assert ask(stopped, successes=500, own=1)[3] == "500"
    assert left(stopped, "won").split() == [*words[:100], f"aa:1:{stopped.now}"]


def test_successes_have_a_bound(stopped: Stopped) -> None:
    put(stopped)
    assert ask(stopped, successes=10**12)[3] == str(10**12)
    put(stopped)
    assert ask(stopped, successes=10**12 + 1)[3] == str(10**12)
    put(stopped, won=f"bb:{10**12}:{stopped.now}")
    assert ask(stopped, own=1)[3] == str(10**12)


def test_of_successes_told_before_the_greatest_count_holds(stopped: Stopped) -> None:
    put(stopped, lease=f"bb|{stopped.now}|{stopped.now}|4", won=f"bb:2:{stopped.now}")
    assert ask(stopped, successes=3, own=1)[3] == "4"
    assert stopped.published() == []  # not more than was told
    assert ask(stopped, successes=5, own=1)[3] == "5"
    assert [one["successes"] for one in stopped.published()] == [5]


def test_what_succeeded_counts_without_a_lease_that_says_so(stopped: Stopped) -> None:
    put(stopped, won=f"bb:2:{stopped.now}")
    assert ask(stopped, successes=2)[3] == "2"
    assert stopped.published() == []  # it was known
    put(stopped, won=f"aa:3:{stopped.now} bb:1:{stopped.now}")
    assert ask(stopped, own=1)[3] == "4"  # of its own it has said more before
    put(stopped)
    assert ask(stopped, successes=3)[3] == "3"
    assert left(stopped, "won") == ""
