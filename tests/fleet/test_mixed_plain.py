"""A service that speaks only the plain format shares circuits with our processes, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from tests.patience import PATIENCE

from .plain_service import PlainService
from .process import KEY, PREVIOUS, agree, until, until_agreed
from .server import arrived

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .process import Launcher, Process
    from .server import Server

FENCE = "another-service"
"""A circuit whose opening tells that all said before it has been heard."""

Who = Literal["ours", "plain"]

wrong_clocks = pytest.mark.parametrize("skew", [-300.0, 300.0], ids=["behind", "ahead"])


@pytest.fixture
def ours(launch: Launcher) -> list[Process]:
    """Two processes with an open time of half a minute, which use both circuits."""
    return in_use(launch("current", "current"))


@pytest.fixture
def quick(launch: Launcher) -> list[Process]:
    """Two processes whose circuits, in use too, may recover soon."""
    return in_use(launch("current", "current", recovery_timeout=0.5))


@pytest.fixture
def plain(server: Server) -> Iterator[PlainService]:
    with PlainService(server) as service:
        yield service


def in_use(ours: list[Process]) -> list[Process]:
    for one in ours:
        assert [one.call(key) for key in (KEY, FENCE)] == ["admitted", "admitted"]
    return ours


def trip(ours: list[Process], key: str = KEY) -> None:
    assert ours[0].fail(key, 3) == ["admitted"] * 3


def until_all(state: str, server: Server, ours: list[Process], plain: PlainService) -> None:
    until(lambda: agree(server, ours, state) and plain.state == state, *ours)


def pass_fence(server: Server, ours: list[Process], plain: PlainService) -> None:
    """Wait until our processes have heard all that the plain service has said."""
    plain.fail(FENCE, 5)
    until_agreed(server, ours, "OPEN", FENCE)


def test_trip_of_ours_is_a_rejection_by_the_plain_service(
    server: Server, ours: list[Process], plain: PlainService
) -> None:
    assert plain.succeed() == ["admitted"]
    trip(ours)
    until(lambda: plain.state == "OPEN")
    assert plain.succeed() == plain.fail() == ["rejected"]
    stored = server.hash(KEY)
    assert stored["state"] == "OPEN"
    assert all(stored[name].isdigit() for name in ("failures", "successes", "nextAttempt"))
    assert server.ask.ttl(f"circuit:{KEY}") > 3500


def test_trip_of_the_plain_service_is_a_rejection_by_ours(
    server: Server, ours: list[Process], plain: PlainService
) -> None:
    plain.fail(times=5)
    until_all("OPEN", server, ours, plain)
    assert [one.call() for one in ours] == ["rejected", "rejected"]
    assert 0 < ours[0].stats()["retry_after"] <= 30


def test_late_joiner_knows_after_its_first_use_what_only_the_plain_service_has_opened(
    launch: Launcher, plain: PlainService
) -> None:
    plain.fail(times=5)
    (late,) = launch("current")
    until(lambda: late.call() == "rejected", late)


def test_reset_of_ours_closes_the_plain_service(
    server: Server, ours: list[Process], plain: PlainService
) -> None:
    for opens in (lambda: trip(ours), lambda: plain.fail(times=5)):
        opens()
        until_all("OPEN", server, ours, plain)
        ours[1].reset()
        until_all("CLOSED", server, ours, plain)
        assert plain.succeed() == ["admitted"]


def test_reset_of_the_plain_service_ends_its_own_opening_on_ours(
    server: Server, ours: list[Process], plain: PlainService
) -> None:
    plain.fail(times=5)
    until_all("OPEN", server, ours, plain)
    plain.reset()
    until_all("CLOSED", server, ours, plain)
    assert [one.call() for one in ours] == ["admitted", "admitted"]


def test_override_of_ours_is_obeyed_by_the_plain_service_until_it_is_cleared(
    ours: list[Process], plain: PlainService
) -> None:
    ours[0].override("forced_open")
    until(lambda: plain.state == "OPEN")
    assert plain.succeed() == ["rejected"]
    ours[1].clear_override()
    until(lambda: plain.succeed() == ["admitted"])
    until(lambda: ours[0].call() == "admitted", *ours)


@pytest.mark.parametrize("traffic", [("ours",), ("plain",), ("ours", "plain")], ids=" and ".join)
@pytest.mark.parametrize("opener", ["ours", "plain"])
def test_circuit_recovers_whoever_opened_it_and_whoever_has_traffic(
    server: Server, quick: list[Process], opener: Who, traffic: tuple[Who, ...]
) -> None:
    with PlainService(server, open_seconds=0.5) as plain:
        if opener == "ours":
            trip(quick)
        else:
            plain.fail(times=5)
        until_all("OPEN", server, quick, plain)

        def is_served() -> bool:
            if "ours" in traffic:
                quick[0].call()
            if "plain" in traffic:
                plain.succeed()
            return plain.state == "CLOSED" and agree(server, quick, "CLOSED")

        until(is_served, *quick)
        assert plain.succeed() == [quick[0].call()] == ["admitted"]


def test_failed_probe_of_the_plain_service_opens_ours_again(
    server: Server, launch: Launcher
) -> None:
    ours = launch("current", "current", recovery_timeout=0.5)
    with PlainService(server, open_seconds=30) as plain:
        trip(ours)
        until_all("OPEN", server, ours, plain)
        until(lambda: plain.fail() == ["admitted"])
        until(lambda: all(one.call() == "rejected" for one in ours), *ours)
        until_all("OPEN", server, ours, plain)


@wrong_clocks
def test_opening_of_a_plain_service_whose_clock_is_wrong_lasts_for_our_recovery_timeout(
    server: Server, ours: list[Process], skew: float
) -> None:
    with PlainService(server, skew=skew) as plain:
        plain.fail(times=5)
        until_all("OPEN", server, ours, plain)
        for one in ours:
            assert 0 < one.stats()["retry_after"] <= 30
            assert one.call() == "rejected"


@wrong_clocks
@pytest.mark.parametrize("opener", ["ours", "plain"])
def test_plain_service_whose_clock_is_wrong_follows_our_recovery(
    server: Server, quick: list[Process], skew: float, opener: Who
) -> None:
    with PlainService(server, skew=skew, open_seconds=0.5) as plain:
        if opener == "ours":
            trip(quick)
        else:
            plain.fail(times=5)
        until_all("OPEN", server, quick, plain)

        def is_served() -> bool:
            quick[0].call()
            return plain.state == "CLOSED" and agree(server, quick, "CLOSED")

        until(is_served, *quick)
        assert plain.succeed() == ["admitted"]


def test_plain_service_whose_clock_is_ahead_does_not_end_our_opening_before_its_time(
    server: Server, ours: list[Process]
) -> None:
    with PlainService(server, skew=300.0) as plain:
        trip(ours)
        until_all("OPEN", server, ours, plain)
        assert plain.succeed(times=5) == ["admitted"] * 5  # by its clock the time is up
        pass_fence(server, ours, plain)
        assert [one.call() for one in ours] == ["rejected", "rejected"]


def test_plain_service_that_missed_our_opening_does_not_end_it_and_brings_no_storm(
    server: Server, ours: list[Process]
) -> None:
    with PlainService(server, listens=False) as plain:
        trip(ours)
        until_agreed(server, ours, "OPEN")
        version = server.hash(KEY)["version"]
        before = server.commands()
        with server.ask.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe("circuit:updates")
            channel.get_message(timeout=PATIENCE)
            assert plain.succeed(times=300) == ["admitted"] * 300
            pass_fence(server, ours, plain)
            heard = len(arrived(channel))
        # Three commands and a message with each of its calls are its own.
        commands = server.commands() - before - 3 * plain.published
        assert commands < plain.published
        assert heard - plain.published < plain.published / 4
        assert [one.call() for one in ours] == ["rejected", "rejected"]
        # It is told again, and while it goes on, again and again.
        until(lambda: plain.succeed() and agree(server, ours, "OPEN"), *ours)
        assert server.hash(KEY)["version"] == version


def test_plain_service_that_missed_our_opening_ends_it_once_its_time_is_over(
    server: Server, quick: list[Process]
) -> None:
    with PlainService(server, listens=False) as plain:
        trip(quick)
        until_agreed(server, quick, "OPEN")

        def is_closed() -> bool:
            plain.succeed()
            return agree(server, quick, "CLOSED")

        until(is_closed, *quick)


def test_healthy_traffic_of_a_plain_service_costs_ours_nothing_per_call(
    server: Server, ours: list[Process], plain: PlainService
) -> None:
    before, told = sum(one.sync()["sent"] for one in ours), plain.published
    plain.succeed(times=4000)
    pass_fence(server, ours, plain)
    assert plain.published == told + 4005
    # The fence, and what beats by itself.
    assert sum(one.sync()["sent"] for one in ours) - before < 80
    assert [one.state() for one in ours] == ["CLOSED", "CLOSED"]


@pytest.mark.parametrize("previous", PREVIOUS, indirect=True)
def test_previous_and_current_version_and_a_plain_service_share_one_circuit(
    launch: Launcher, server: Server
) -> None:
    ours = launch("previous", "current", recovery_timeout=0.5)
    with PlainService(server, open_seconds=0.5) as plain:
        for opens in (ours[0], ours[1], plain):
            opens.fail(times=5)
            until_all("OPEN", server, ours, plain)

            def is_served() -> bool:
                for caller in (*ours, plain):
                    caller.succeed()
                return plain.state == "CLOSED" and agree(server, ours, "CLOSED")

            until(is_served, *ours)
