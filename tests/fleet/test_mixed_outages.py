"""Instances of an earlier version and of the current one, and servers that are away or forget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .mixed import trip, version_of
from .process import PREVIOUS, until_agreed

if TYPE_CHECKING:
    from .process import Launcher, Version
    from .server import Server


VERSIONS: tuple[Version, Version] = ("previous", "current")

pytestmark = pytest.mark.parametrize("previous", PREVIOUS, indirect=True)

both_ways = pytest.mark.parametrize(("one", "other"), [VERSIONS, VERSIONS[::-1]])
"""Which version acts, and which one has to follow."""


@pytest.mark.parametrize("loss", ["flushed", "restarted"])
@both_ways
def test_server_that_has_forgotten_is_told_by_one_version_what_the_other_had_decided(
    launch: Launcher, server: Server, one: Version, other: Version, loss: str
) -> None:
    acts, follows = launch(one, other)
    trip(acts)
    until_agreed(server, [acts, follows], "OPEN")
    before = version_of(server)
    acts.stop()
    if loss == "flushed":
        server.ask.flushall()
        server.ask.client_kill_filter(_type="pubsub")  # or it would be noticed by the next repair
    else:
        server.restart()
    until_agreed(server, [follows], "OPEN")
    assert version_of(server) == before
    for late in launch(one, other):
        assert late.call() == "rejected"


@both_ways
def test_trip_decided_alone_reaches_the_other_version_when_the_server_is_back(
    launch: Launcher, server: Server, one: Version, other: Version
) -> None:
    acts, follows = launch(one, other)
    assert [acts.call(), follows.call()] == ["admitted", "admitted"]
    server.kill()
    trip(acts)
    assert follows.call() == "admitted"
    server.start()
    until_agreed(server, [acts, follows], "OPEN")
    assert follows.call() == "rejected"
    follows.reset()
    until_agreed(server, [acts, follows], "CLOSED")


def test_both_versions_decide_alone_and_agree_when_the_server_is_back(
    launch: Launcher, server: Server
) -> None:
    processes = launch(*VERSIONS, *VERSIONS)
    trip(processes[0])
    until_agreed(server, processes, "OPEN")
    processes[0].reset()
    until_agreed(server, processes, "CLOSED")
    server.kill()
    for process in processes:
        trip(process)
    server.start()
    until_agreed(server, processes, "OPEN")
