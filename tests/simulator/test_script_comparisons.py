"""Each comparison of the scripts: versions, writers, openings that run, runs that are long enough.

On the simulator's server, whose clock stands still where the test wants it to.
"""

from __future__ import annotations

import pytest

from fastapi_hybrid_breaker.core.states import CircuitState
from fastapi_hybrid_breaker.fleet.commands import Commands
from simulator.process import BEGAN

from .still_server import CLOSED, HALF_OPEN, KEY, NAMES, OPEN, Server

NOW = int(BEGAN * 1_000_000)
DAY = 86_400_000_000
HOUR = 3_600_000_000


ORDER = [
    # known here, stored there, whether the stored one is newer
    ((NOW, "mm"), (NOW + 1, "aa"), True),
    ((NOW + 1, "mm"), (NOW, "zz"), False),
    ((NOW, "mm"), (NOW, "zz"), True),
    ((NOW, "mm"), (NOW, "aa"), False),
    ((NOW, "mm"), (NOW, "mm"), False),
    ((NOW, "mm"), (NOW + DAY, "aa"), True),  # within the day
    ((NOW, "mm"), (NOW + DAY + 1, "zz"), False),  # beyond it
    ((NOW + DAY + 1, "mm"), (NOW, "aa"), True),
    ((1, "mm"), (NOW + 5 * DAY, "zz"), False),
    ((NOW + 5 * DAY, "mm"), (1, "aa"), True),
    ((NOW + 5 * DAY, "mm"), (NOW + 6 * DAY, "aa"), True),
    ((NOW + 6 * DAY, "mm"), (NOW + 5 * DAY, "zz"), False),
    ((NOW + 5 * DAY, "mm"), (NOW + 5 * DAY, "zz"), True),
    ((0, ""), (NOW + 5 * DAY, "aa"), True),  # what is far is more than nothing
]


@pytest.mark.parametrize(("known", "stored", "is_newer"), ORDER)
def test_a_change_is_refused_by_what_is_newer(
    known: tuple[int, str], stored: tuple[int, str], *, is_newer: bool
) -> None:
    server = Server()
    server.put(*stored)
    assert server.ask("change", *known).status == ("refused" if is_newer else "done")


@pytest.mark.parametrize(("known", "stored", "is_newer"), ORDER[:-1])
def test_a_state_is_restored_over_what_is_older(
    known: tuple[int, str], stored: tuple[int, str], *, is_newer: bool
) -> None:
    server = Server()
    server.put(*stored)
    is_same = known == stored
    expected = "same" if is_same else "refused" if is_newer else "done"
    assert server.ask("restore", *known).status == expected
    left = server.store.hash(NAMES.hash(KEY))
    assert (int(left["version"]), left["writer"]) == (stored if is_newer else known)


@pytest.mark.parametrize(("known", "stored", "is_newer"), ORDER[:-1])
def test_an_override_is_restored_over_what_is_older(
    known: tuple[int, str], stored: tuple[int, str], *, is_newer: bool
) -> None:
    server = Server()
    server.put_override(*stored)
    status = server.restore_override(*known).status
    assert status == ("same" if is_newer or known == stored else "done")


@pytest.mark.parametrize(("known", "stored", "is_newer"), ORDER[:-1])
def test_a_lease_is_only_for_who_knows_the_state(
    known: tuple[int, str], stored: tuple[int, str], *, is_newer: bool
) -> None:
    server = Server()
    server.put(*stored, OPEN, left=-1.0, at=-10.0)
    assert server.lease(*known) == ("moved" if is_newer else "granted")


def test_a_lease_is_for_the_writer_of_the_newer_state_and_for_a_probe_that_ended_it_too() -> None:
    server = Server()
    server.put(NOW + 1, "writes", HALF_OPEN, left=-1.0)
    assert server.lease(NOW, "mm") == "moved"
    assert server.lease(NOW, "mm", running=1) == "granted"
    server = Server()
    server.put(NOW + 1, "writes", OPEN, left=-1.0, at=-10.0)
    assert server.lease(NOW, "mm", instance="writes") == "granted"
    assert server.lease(NOW, "mm", running=1) == "moved"


RUNS = [
    # seconds left, written at, whether the opening still runs
    (0.2, -10.0, False),
    (0.25, -10.0, False),
    (0.26, -10.0, True),
    (10.0, 0.0, True),
    (10.0, 1.0, False),  # in the future, by a clock that was set back
    (10.0, -86_380.0, True),
    (10.0, -86_401.0, False),  # no opening lasts longer than a day
]


@pytest.mark.parametrize("state", [CLOSED, HALF_OPEN])
@pytest.mark.parametrize(("left", "at", "runs"), RUNS)
def test_nothing_but_an_opening_goes_over_one_that_runs(
    state: CircuitState, left: float, at: float, *, runs: bool
) -> None:
    server = Server()
    server.put(NOW, left=left, at=at)
    assert server.ask("change", NOW, state=OPEN).status == "done"
    server = Server()
    server.put(NOW, left=left, at=at)
    assert server.ask("change", NOW, state=state).status == ("refused" if runs else "done")
    assert server.store.hash(NAMES.hash(KEY))["state"] == ("OPEN" if runs else state.value)


@pytest.mark.parametrize(("left", "at", "runs"), RUNS)
def test_a_lease_is_not_given_while_the_opening_runs(left: float, at: float, *, runs: bool) -> None:
    server = Server()
    server.put(NOW, left=left, at=at)
    assert (server.lease(NOW, "mm") == "early") is runs


@pytest.mark.parametrize(
    ("stored", "override", "given", "expected"),
    [
        (NOW - HOUR, NOW - HOUR, NOW - HOUR, NOW),
        (NOW + HOUR, 0, 0, NOW + HOUR + 1),
        (NOW, NOW + HOUR, NOW, NOW + HOUR + 1),
        (NOW, NOW, NOW + HOUR, NOW + HOUR + 1),
        (NOW + 2 * DAY, 0, 0, NOW),
        (NOW + HOUR, NOW + 2 * DAY, 0, NOW + HOUR + 1),
        (NOW - HOUR, 0, NOW + 2 * DAY, NOW),
        (NOW - HOUR, 0, 2**53 - 10**12 - 1, NOW),
        (NOW - HOUR, 0, 2**53, NOW),
    ],
)
@pytest.mark.parametrize("what", ["change", "reset", "override"])
def test_the_next_version_comes_after_all_that_are_within_the_day(
    what: str, stored: int, override: int, given: int, expected: int
) -> None:
    server = Server()
    server.newest = given
    server.put(stored)
    if override:
        server.put_override(override)
    if what == "override":
        command = server.commands.override("override", KEY, "asks-1", None)
        assert server.run(command)[11].startswith(f"{expected}|asks|")
    else:
        reply = server.ask(what, stored, state=OPEN)
        assert reply.stored is not None
        assert reply.stored.version == expected


def test_only_the_evidence_of_the_state_that_stands_there_counts() -> None:
    server = Server()
    server.put(NOW, "mm", CLOSED)
    for version, writer in ((NOW - 1, "mm"), (NOW + 1, "mm"), (NOW, "ll"), (NOW, "nn")):
        assert server.evidence("report", version, writer, failures=1)[0] == "stale"
    assert server.evidence("report", NOW, failures=1)[:2] == ["done", "1"]


def names(server: Server) -> list[str]:
    said = [one["signal"] for one in server.signals]
    server.signals.clear()
    return said


def test_a_run_that_is_long_enough_is_announced_again_after_a_second() -> None:
    server = Server()
    server.put(NOW, "mm", CLOSED)
    server.evidence("report", NOW, failures=2, number=1)
    assert names(server) == ["armed"]
    server.evidence("report", NOW, failures=1, number=2)
    assert names(server) == ["suspect"]
    server.seconds = 1.0
    server.evidence("report", NOW, failures=1, number=3)
    assert names(server) == []
    server.seconds = 1.001
    server.evidence("report", NOW, failures=1, number=4)
    assert names(server) == ["suspect"]


def test_a_run_is_confirmed_once_all_had_the_time_to_object_since_it_was_announced_last() -> None:
    server = Server()
    server.put(NOW, "mm", CLOSED)
    assert server.evidence("confirm", NOW)[0] == "refused"
    server.evidence("report", NOW, failures=2, number=1)
    server.seconds = 10.0
    assert server.evidence("confirm", NOW)[0] == "refused"
    server.evidence("report", NOW, failures=1, number=2)
    for milliseconds, status in ((139, "refused"), (140, "confirmed")):
        server.seconds = 10.0 + milliseconds / 1000
        assert server.evidence("confirm", NOW)[0] == status
    server.seconds = 12.0
    server.evidence("report", NOW, failures=1, number=3)  # announced again: all may object anew
    assert server.evidence("confirm", NOW)[0] == "refused"
    server.seconds = 12.14
    assert server.evidence("confirm", NOW)[0] == "confirmed"


def test_failures_before_a_success_that_was_reported_do_not_count() -> None:
    server = Server()
    server.put(NOW, "mm", CLOSED)
    assert server.evidence("report", NOW, failures=2, number=1)[1] == "2"
    server.seconds = 1.0
    assert server.evidence("report", NOW, success_ago=0.5, number=2)[1] == "0"
    assert server.evidence("report", NOW, failures=2, ago=0.6, number=3)[1] == "0"
    assert server.evidence("report", NOW, failures=2, ago=0.4, number=4)[1] == "2"


def test_a_success_that_was_noted_in_the_future_takes_no_failures() -> None:
    server = Server()
    server.put(NOW, "mm", CLOSED)
    server.seconds = 100.0
    server.evidence("report", NOW, success_ago=0.0, number=1)
    server.seconds = 50.0
    assert server.evidence("report", NOW, failures=2, number=2)[1] == "2"


def test_a_version_at_the_limit_is_none() -> None:
    server = Server()
    server.put(2**53 - 10**12 - 1)
    assert server.ask("change", 0, "").status == "refused"
    server.put(2**53 - 10**12)
    assert server.ask("change", 0, "").status == "done"


def test_the_last_five_that_opened_it_are_noted() -> None:
    server = Server()
    for number in range(7):
        server.commands = Commands(NAMES, f"i{number}", lambda: 0)
        for state in (OPEN, CLOSED):
            server.store.execute(("HSET", NAMES.hash(KEY), "nextAttempt", "0"))
            server.store.execute(("HDEL", NAMES.hash(KEY), "version", "sum", "state"))
            assert server.ask("change", 0, "", state).status == "done"
    assert server.store.hash(NAMES.hash(KEY))["openers"] == "i2 i3 i4 i5 i6"


def test_a_run_that_was_announced_in_the_future_is_announced_again() -> None:
    server = Server()
    server.put(NOW, "mm", CLOSED)
    server.seconds = 100.0
    server.evidence("report", NOW, failures=3, number=1)
    assert names(server) == ["suspect"]
    server.seconds = 50.0
    server.evidence("report", NOW, failures=3, number=2)
    assert names(server) == ["suspect"]
