"""The version before this one and this one count, vote, probe and keep time together.

What 0.1.0 does not do at all, and so ``test_mixed_versions.py`` does not ask of any two versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .process import KEY, agree, until, until_agreed

if TYPE_CHECKING:
    from .process import Launcher, Process, Version
    from .server import Server

pytestmark = pytest.mark.parametrize("previous", ["0.3.0"], indirect=True)

both_ways = pytest.mark.parametrize(
    ("one", "other"), [("previous", "current"), ("current", "previous")]
)

EVIDENCE = f"circuit#evidence:{{circuit:{KEY}}}"


def run_of(server: Server) -> int:
    """How many failures in a row the fleet counts."""
    return len((server.ask.hget(EVIDENCE, ":run") or "").split())


def until_half_open(caller: Process, *seen: Process) -> None:
    """Begin a probe at ``caller``, and wait until all know of it."""
    until(lambda: caller.hold() == "admitted", caller, *seen)
    until(lambda: all(one.state() == "HALF_OPEN" for one in seen), caller, *seen)


@both_ways
def test_failures_on_both_versions_add_up_to_one_run(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    a, b = launch(one, other, failure_threshold=5)
    assert a.fail(times=3) == ["admitted"] * 3
    until(lambda: run_of(server) == 3, a, b)
    assert b.fail(times=2) == ["admitted"] * 2
    until_agreed(server, [a, b], "OPEN")
    assert [a.call(), b.call()] == ["rejected", "rejected"]


@both_ways
def test_success_on_one_version_ends_the_run_that_the_other_has_begun(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    a, b = launch(one, other, failure_threshold=3)
    assert [a.call(), b.call()] == ["admitted", "admitted"]  # 0.3.0 hears of what it has used only
    a.fail(times=2)
    until(lambda: run_of(server) == 2, a, b)
    # What was published before this is known where this is.
    a.override("forced_open", "fence")
    until(lambda: b.state("fence") == "OPEN", a, b)
    b.succeed()
    b.fail()
    # The third in a row it would be, but for the success: with that its instance objects.
    until(lambda: run_of(server) == 1, a, b)
    assert [a.state(), b.state()] == ["CLOSED", "CLOSED"]
    b.fail(times=2)
    until_agreed(server, [a, b], "OPEN")


@both_ways
def test_votes_of_both_versions_make_a_quorum(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    (late,) = launch(other, quorum=2)
    (early,) = launch(one, quorum=2)  # who starts last knows at once how many live
    assert early.fail(times=3) == ["admitted"] * 3
    assert early.state() == "OPEN"
    until(lambda: server.ask.hget(EVIDENCE, ":votes"), early, late)
    assert late.state() == "CLOSED"
    assert "state" not in server.hash(KEY)
    assert late.fail(times=3) == ["admitted"] * 3
    until_agreed(server, [early, late], "OPEN")


@both_ways
def test_while_one_version_probes_the_other_rejects_and_its_success_closes_both(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    probes, waits = launch(one, other, success_threshold=1, recovery_timeout=0.5)
    waits.fail(times=3)
    until_agreed(server, [probes, waits], "OPEN")
    until_half_open(probes, waits)
    assert waits.succeed(times=20) == ["rejected"] * 20
    probes.release()
    until_agreed(server, [probes, waits], "CLOSED")
    assert [probes.call(), waits.call()] == ["admitted", "admitted"]


def test_first_call_of_this_version_after_the_open_time_is_a_probe_beside_the_one_before(
    launch: Launcher, server: Server
) -> None:
    # Long enough for calls to be few, however long a round trip takes here.
    old, new = launch("previous", "current", success_threshold=1, recovery_timeout=3.0)
    old.fail(times=3)
    until_agreed(server, [old, new], "OPEN")
    until(lambda: new.stats()["retry_after"] == 0, old, new)
    assert new.call() == "admitted"
    until_agreed(server, [old, new], "CLOSED")


@both_ways
def test_successful_probes_on_both_versions_close_the_circuit_together(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    a, b = launch(one, other, success_threshold=2, half_open_max_calls=1, recovery_timeout=0.5)
    a.fail(times=3)
    until_agreed(server, [a, b], "OPEN")
    until_half_open(a, b)
    a.release()
    # The right to probe passes on when its holder has no calls, and so does what it has counted.
    admitted = 0

    def is_closed() -> bool:
        nonlocal admitted
        admitted += not agree(server, [a, b], "CLOSED") and b.call() == "admitted"
        return agree(server, [a, b], "CLOSED")

    until(is_closed, a, b)
    assert admitted <= 2  # the second may come before the first one's answer


@both_ways
def test_hosts_whose_clocks_differ_by_ten_minutes_open_and_recover_together(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    (a,) = launch(one, ahead=600.0, recovery_timeout=1.0)
    (b,) = launch(other, recovery_timeout=1.0)
    for opener in (a, b):
        opener.fail(times=3)
        until_agreed(server, [a, b], "OPEN")
        assert [0 < each.stats()["retry_after"] <= 1.0 for each in (a, b)] == [True, True]
        for key in ("nextAttempt", "at"):
            assert abs(int(server.hash(KEY)[key]) / 1000 - server.ask.time()[0]) < 10

        def is_served() -> bool:
            for each in (a, b):
                each.call()
            return agree(server, [a, b], "CLOSED")

        until(is_served, a, b)


@both_ways
def test_override_ends_at_its_time_on_hosts_whose_clocks_differ(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    (a,) = launch(one, ahead=-600.0)
    (b,) = launch(other)
    a.override("forced_open", seconds=2.0)
    until(lambda: b.state() == "OPEN", a, b)
    assert 0 < b.stats()["retry_after"] <= 2.0
    until(lambda: a.call() == b.call() == "admitted", a, b)


RAMP = {"recovery_timeout": 0.3, "ramp_seconds": 10_000.0, "ramp_shares": [0.1, 1.0]}


def admitted(process: Process) -> int:
    """How many of a hundred calls are admitted."""
    return process.succeed(times=100).count("admitted")


def test_reset_that_asks_for_a_ramp_closes_the_version_before_all_the_same(
    launch: Launcher, server: Server
) -> None:
    old, new, _ = processes = launch("previous", "current", "current", **RAMP)
    old.fail(times=3)
    until_agreed(server, processes, "OPEN")
    new.reset(ramp=True)
    until_agreed(server, processes, "CLOSED")
    assert [admitted(one) for one in processes] == [100, 10, 10]


@both_ways
def test_forced_opening_that_one_version_ends_ramps_on_this_one(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other, **RAMP)
    acts.override("forced_open")
    until(lambda: follows.state() == "OPEN", acts, follows)
    acts.clear_override()
    until(lambda: acts.state() == follows.state() == "CLOSED", acts, follows)
    shares = {"previous": 100, "current": 10}
    assert [admitted(acts), admitted(follows)] == [shares[one], shares[other]]


def test_recovery_of_the_version_before_is_not_taken_for_one_of_this_versions_before_it(
    launch: Launcher, server: Server
) -> None:
    old, new = processes = launch("previous", "current", **RAMP)
    for opens in (new, old):
        opens.fail(times=3)
        until_agreed(server, processes, "OPEN")

        def is_closed(probes: Process = opens) -> bool:
            probes.call()
            return agree(server, processes, "CLOSED")

        until(is_closed, *processes)
        if opens is new:
            assert int(server.hash(KEY)["closedAt"]) > 0
            new.reset()
            until_agreed(server, processes, "CLOSED")
            assert "closedAt" not in server.hash(KEY)
    (late,) = launch("current", **RAMP)
    late.call()
    until(lambda: agree(server, [late], "CLOSED"), late)
    assert admitted(late) >= 99  # 0.3.0 does not tell when its recovery was
    assert admitted(new) == 10
