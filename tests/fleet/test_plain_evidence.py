"""Failures that a plain speaker reports count in the fleet's run of failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .plain_service import PlainService
from .process import KEY, agree, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .process import Launcher, Process
    from .server import Server

FENCE = "another-service"
"""A circuit that opens later, so that the other one has had the time to open too."""


@pytest.fixture
def ours(launch: Launcher) -> list[Process]:
    """Two processes that open after five failures in a row, and have used both circuits."""
    processes = launch("current", "current", failure_threshold=5)
    for one in processes:
        assert [one.call(key) for key in (KEY, FENCE)] == ["admitted", "admitted"]
    return processes


def say(ours: list[Process], calls: Callable[[], list[str]]) -> None:
    """Make calls at a basic-format service; ours know of them when it returns."""
    heard = [one.sync()["received"] for one in ours]
    said = calls()
    assert set(said) == {"admitted"}
    until(
        lambda: all(
            one.sync()["received"] >= before + len(said)
            for one, before in zip(ours, heard, strict=True)
        ),
        *ours,
    )


def until_open_everywhere(
    server: Server, ours: list[Process], plain: PlainService, key: str = KEY
) -> None:
    until(
        lambda: agree(server, ours, "OPEN", key) and plain.state_of(key) == "OPEN", *ours, key=key
    )


def test_three_failures_of_a_plain_service_and_two_of_ours_open_everywhere(
    server: Server, ours: list[Process]
) -> None:
    with PlainService(server) as plain:
        say(ours, lambda: plain.fail(times=3))
        assert [one.state() for one in ours] == ["CLOSED", "CLOSED"]
        assert ours[0].fail(times=2) == ["admitted"] * 2
        until_open_everywhere(server, ours, plain)
        assert [one.call() for one in ours] == plain.succeed() * 2 == ["rejected"] * 2


def test_success_of_a_plain_service_ends_the_run_that_its_failures_began(
    server: Server, ours: list[Process]
) -> None:
    with PlainService(server) as plain:
        say(ours, lambda: plain.fail(times=3))
        say(ours, plain.succeed)
        ours[0].fail(times=2)
        # The same without the success, and later: that opens.
        say(ours, lambda: plain.fail(FENCE, 3))
        ours[0].fail(FENCE, 2)
        until_open_everywhere(server, ours, plain, FENCE)
        assert [one.state() for one in ours] == ["CLOSED", "CLOSED"]
        assert plain.state == "CLOSED"


def test_two_failures_of_ours_and_three_of_a_plain_service_open_below_its_own_threshold(
    server: Server, ours: list[Process]
) -> None:
    with PlainService(server, failure_threshold=10) as plain:
        assert ours[0].fail(times=2) == ["admitted"] * 2
        say(ours, lambda: plain.fail(times=3))
        until_open_everywhere(server, ours, plain)
