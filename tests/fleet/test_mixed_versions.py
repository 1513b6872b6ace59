"""Instances of an earlier version and of the current one share circuits, both ways.

What is said here holds for any two versions. How many probes a recovery takes, and whether
failures on several instances add up, is for each version to say: here they only have to end in
agreement. Each test also fails when an instance logs an error, or takes a word of the others for
malformed (``Process.stop``).
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.patience import PATIENCE

from .mixed import trip, version_of
from .process import KEY, PREVIOUS, agree, until, until_agreed
from .server import arrived

if TYPE_CHECKING:
    from .process import Launcher, Version
    from .server import Server

VERSIONS: tuple[Version, Version] = ("previous", "current")

pytestmark = pytest.mark.parametrize("previous", PREVIOUS, indirect=True)

both_ways = pytest.mark.parametrize(("one", "other"), [VERSIONS, VERSIONS[::-1]])
"""Which version acts, and which one has to follow."""


@both_ways
def test_trip_on_one_version_is_a_rejection_on_the_other(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    trip(acts)
    until_agreed(server, [acts, follows], "OPEN")
    assert follows.call() == "rejected"
    assert 0 < follows.stats()["retry_after"] <= 30


@both_ways
def test_reset_on_either_version_closes_both(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    for tripped in (acts, follows):
        trip(tripped)
        until_agreed(server, [acts, follows], "OPEN")
        assert acts.reset() == "fleet"
        until_agreed(server, [acts, follows], "CLOSED")
        assert [one.call() for one in (acts, follows)] == ["admitted"] * 2
        assert [one.stats()["failures"] for one in (acts, follows)] == [0, 0]


def test_two_instances_of_each_version_open_and_close_together(
    launch: Launcher, server: Server
) -> None:
    processes = launch(*VERSIONS, *VERSIONS)
    for tripped, closes in zip(processes, reversed(processes), strict=True):
        trip(tripped)
        until_agreed(server, processes, "OPEN")
        assert [one.call() for one in processes] == ["rejected"] * 4
        closes.reset()
        until_agreed(server, processes, "CLOSED")


@both_ways
def test_forced_open_by_one_version_is_obeyed_by_the_other_until_it_is_cleared(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    for clears in (acts, follows):
        assert acts.override("forced_open") == "fleet"
        until(lambda: follows.state() == "OPEN", acts, follows)
        assert [acts.call(), follows.call()] == ["rejected", "rejected"]
        assert server.hash(KEY)["state"] == "OPEN"
        assert clears.clear_override() == "fleet"
        until(lambda: acts.state() == follows.state() == "CLOSED", acts, follows)
        assert [acts.call(), follows.call()] == ["admitted", "admitted"]
        assert server.hash(KEY).get("state") != "OPEN"


@both_ways
def test_disabled_by_one_version_admits_on_the_other_and_leaves_what_is_underneath(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    trip(follows)
    until_agreed(server, [acts, follows], "OPEN")
    acts.override("disabled")
    until(lambda: follows.state() == "CLOSED", acts, follows)
    assert follows.fail(times=10) == ["admitted"] * 10
    assert follows.call() == "admitted"
    follows.clear_override()
    until(lambda: acts.state() == follows.state() == "OPEN", acts, follows)
    assert [acts.call(), follows.call()] == ["rejected", "rejected"]


@pytest.mark.parametrize("text", ["it is back", '"\\\U0001f600é' * 50])
def test_who_acts_and_why_harms_no_instance_of_the_version_before(
    launch: Launcher, server: Server, text: str
) -> None:
    follows, acts = launch(*VERSIONS)
    trip(follows)
    until_agreed(server, [acts, follows], "OPEN")
    assert acts.reset(reason=text, by=text) == "fleet"
    until_agreed(server, [acts, follows], "CLOSED")
    # It has always told what a reset says for itself.
    assert follows.last() == acts.last() | {"cause": "fleet"} | {"by": text, "reason": text}
    acts.override("forced_open")
    until(lambda: follows.state() == "OPEN", acts, follows)
    assert acts.clear_override(reason=text) == "fleet"
    until(lambda: follows.state() == "CLOSED", acts, follows)
    assert acts.last() == {"cause": "override_ended", "by": "ann", "reason": text}
    assert follows.last()["by"] == "ann"
    trip(follows)
    until_agreed(server, [acts, follows], "OPEN")


@both_ways
def test_override_of_one_version_ends_by_itself_on_the_other(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    acts.override("forced_open", seconds=2.0)
    until(lambda: follows.state() == "OPEN", acts, follows)
    until(lambda: acts.call() == follows.call() == "admitted", acts, follows)
    # The plain fields, which others read, are put right by whoever notices the end.
    until(lambda: server.hash(KEY).get("state") != "OPEN", acts, follows)
    trip(follows)  # it is decided again what happens
    until_agreed(server, [acts, follows], "OPEN")


@pytest.mark.parametrize("traffic", [VERSIONS[:1], VERSIONS[1:], VERSIONS], ids=" and ".join)
@pytest.mark.parametrize("opener", VERSIONS)
def test_circuit_recovers_whichever_versions_have_traffic(
    launch: Launcher, server: Server, opener: Version, traffic: tuple[Version, ...]
) -> None:
    processes = launch(*VERSIONS, recovery_timeout=0.5)
    by_version = dict(zip(VERSIONS, processes, strict=True))
    by_version[opener].fail(times=3)
    until_agreed(server, processes, "OPEN")

    def is_served() -> bool:
        for version in traffic:
            by_version[version].call()
        return agree(server, processes, "CLOSED")

    until(is_served, *processes)
    assert [one.call() for one in processes] == ["admitted", "admitted"]


@both_ways
def test_probe_that_fails_on_one_version_opens_the_circuit_on_the_other_again(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    probes, waits = processes = launch(one, other, recovery_timeout=0.5)
    waits.fail(times=3)
    until_agreed(server, processes, "OPEN")
    before = version_of(server)
    for _ in range(3):
        until(lambda: "admitted" in probes.fail(), *processes)
        until(lambda b=before: version_of(server) > b, *processes)  # type: ignore[misc]
        until_agreed(server, processes, "OPEN")
        before = version_of(server)

    def is_served() -> bool:
        for process in processes:
            process.call()
        return agree(server, processes, "CLOSED")

    until(is_served, *processes)


@both_ways
def test_instance_that_dies_while_it_probes_does_not_keep_the_other_version_from_recovering(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    dies, stays = launch(one, other, recovery_timeout=0.5)
    dies.fail(times=3)
    until_agreed(server, [dies, stays], "OPEN")
    until(lambda: dies.call() == "admitted", dies, stays)
    until(lambda: stays.state() == "HALF_OPEN", dies, stays)
    dies.kill()
    until(lambda: stays.call() == "admitted" and stays.state() == "CLOSED", stays)
    until_agreed(server, [stays], "CLOSED")


@pytest.mark.parametrize("keys", [(KEY,), ()], ids=["declared", "undeclared"])
@both_ways
def test_late_joiner_of_one_version_knows_what_the_other_has_opened(
    launch: Launcher, server: Server, one: Version, other: Version, keys: tuple[str, ...]
) -> None:
    (early,) = launch(one, keys=keys)
    trip(early)
    until_agreed(server, [early], "OPEN")
    (late,) = launch(other, keys=keys)
    assert agree(server, [early, late], "OPEN")
    assert late.call() == "rejected"


@both_ways
def test_late_joiner_of_one_version_obeys_the_override_of_the_other(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    (early,) = launch(one)
    early.override("forced_open")
    (late,) = launch(other)
    assert late.call() == "rejected"
    late.clear_override()
    until(lambda: early.call() == late.call() == "admitted", early, late)


@both_ways
def test_circuit_stays_open_while_one_version_takes_the_place_of_the_other(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    processes = launch(one, one)
    trip(processes[0])
    until_agreed(server, processes, "OPEN")
    version = version_of(server)
    while any(process.version == one for process in processes):
        processes += launch(other)
        processes.pop(0).stop()
        assert agree(server, processes, "OPEN")
        assert [process.call() for process in processes] == ["rejected"] * 2
    assert version_of(server) == version  # nobody has decided anything anew
    processes[0].reset()
    until_agreed(server, processes, "CLOSED")


@both_ways
def test_reset_after_a_flush_reaches_both_under_a_version_that_went_on_rising(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    trip(follows)
    until_agreed(server, [acts, follows], "OPEN")
    before = version_of(server)
    server.ask.flushall()
    acts.reset()
    until_agreed(server, [acts, follows], "CLOSED")
    assert version_of(server) > before


def test_failures_that_come_partly_on_each_version_end_in_agreement(
    launch: Launcher, server: Server
) -> None:
    processes = launch(*VERSIONS, *VERSIONS, failure_threshold=5)
    for _ in range(3):
        for process in processes:
            process.fail(times=2)
        processes[0].call()
    # Whether that opens is not for the mixed fleet to say, but one answer holds for all of it.
    processes[1].reset()
    until_agreed(server, processes, "CLOSED")
    assert [one.stats()["failures"] for one in processes] == [0] * 4
    for _ in range(2):
        for process in processes:
            process.fail(times=2)
    processes[0].fail(times=5)
    until_agreed(server, processes, "OPEN")


def test_versions_do_not_answer_each_other_for_ever(launch: Launcher, server: Server) -> None:
    keys = [f"service-{number}" for number in range(10)]
    processes = launch(*VERSIONS, *VERSIONS, keys=keys)
    with server.ask.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("circuit:updates")
        channel.get_message(timeout=PATIENCE)
        for number, key in enumerate(keys):
            trip(processes[number % 4], key)
            until_agreed(server, processes, "OPEN", key)
            processes[(number + 1) % 4].reset(key)
            until_agreed(server, processes, "CLOSED", key)
        said = len(arrived(channel))
    # Twenty changes are twenty messages; a repetition after a slow answer is forgiven.
    assert 20 <= said <= 60


def test_whatever_a_mixed_fleet_goes_through_it_ends_in_agreement(
    launch: Launcher, server: Server
) -> None:
    random = Random(7)
    keys = ("orders", "prices", "stock")
    processes = launch(*VERSIONS, *VERSIONS, keys=keys, recovery_timeout=0.05)
    for _ in range(300):
        process, key = random.choice(processes), random.choice(keys)
        match random.choices(range(5), weights=[10, 10, 2, 1, 1])[0]:
            case 0:
                process.fail(key, random.randint(1, 4))
            case 1:
                process.succeed(key, random.randint(1, 4))
            case 2:
                process.reset(key)
            case 3:
                process.override(random.choice(["forced_open", "disabled"]), key, seconds=0.2)
            case _:
                process.clear_override(key)
    for key in keys:
        random.choice(processes).clear_override(key)
        random.choice(processes).reset(key)
    for key in keys:
        until_agreed(server, processes, "CLOSED", key)
        assert [one.call(key) for one in processes] == ["admitted"] * 4
