"""What a service of the plain format could bring about, by the symptom that was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .plain_service import PlainService
from .process import KEY, until, until_agreed

if TYPE_CHECKING:
    from .process import Launcher
    from .server import Server


@pytest.mark.parametrize("skew", [-300.0, 300.0], ids=["behind", "ahead"])
def test_wrong_clock_of_a_plain_service_set_the_open_time_of_circuits_not_used_here_yet(
    launch: Launcher, server: Server, skew: float
) -> None:
    (ours,) = launch("current")
    with PlainService(server, skew=skew) as plain:
        plain.fail(times=5)
        until_agreed(server, [ours], "OPEN")
        assert 0 < ours.stats()["retry_after"] <= 30


def test_hash_said_closed_to_late_joiners_after_the_last_word_of_a_plain_service_that_missed_our_opening(  # noqa: E501
    launch: Launcher, server: Server
) -> None:
    (ours,) = launch("current")
    with PlainService(server, listens=False) as plain:
        ours.fail(times=3)
        until_agreed(server, [ours], "OPEN")
        plain.succeed(times=50)  # and silent from then on
        until(lambda: server.hash(KEY)["state"] == "OPEN", ours)
        (late,) = launch("current")
        assert late.call() == "rejected"
