"""A version far beyond the server's clock, while a process of 0.3 takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.fleet.values import VERSION_LIMIT

from .process import KEY, until
from .test_far_versions import AHEAD, as_hash, far, now_us

if TYPE_CHECKING:
    from .process import Launcher
    from .server import Server


pytestmark = pytest.mark.usefixtures("unhurried_answers")


@pytest.mark.parametrize("version", [AHEAD, VERSION_LIMIT - 2])
def test_present_processes_go_on_beside_one_of_the_previous_version(
    launch: Launcher, server: Server, version: int | str
) -> None:
    keys = (KEY, "other")
    old, a, b = launch("previous", "current", "current", keys=keys)
    try:
        as_hash(server, far(server, version))
        until(lambda: old.stats()["state"] == "OPEN")
        assert old.fail("other", 3) == ["admitted"] * 3  # numbered after the far version
        # Who does not know a circuit that was reset a moment ago takes what it counts before the
        # answer to its first use for something of before the reset.
        until(lambda: all(one.stats(key)["state"] == "OPEN" for one in (a, b) for key in keys))
        for key in keys:
            assert a.reset(key) == "fleet"
            until(lambda key=key: b.stats(key)["state"] == "CLOSED")
        for one, another in ((a, b), (b, a)):
            for key in keys:
                one.fail(key, 3)
                until(lambda key=key, at=another: at.stats(key)["state"] == "OPEN")
                assert another.reset(key) == "fleet"
                until(lambda key=key, at=one: at.stats(key)["state"] == "CLOSED")
                assert int(server.hash(key)["version"]) <= now_us(server)
    finally:
        for process in (old, a, b):
            process.kill()  # they have counted the far version
