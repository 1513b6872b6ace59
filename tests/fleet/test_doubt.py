"""What an instance hears and does not take at its word: it reads, or looks a second time."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.fleet.run_times import OBJECT_AGAIN, OBJECTION_JITTER

from .player import KEY, Player

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server

NOW = int(time.time())


@pytest.fixture
def player(server: Server) -> Iterator[Player]:
    player = Player(server, "bbbb", failure_threshold=3)
    player.own.registry.peers.has_fleet = True
    player.circuit  # noqa: B018 - made
    player.take()
    yield player
    player.close()


def kinds(player: Player) -> list[str]:
    return [request.kind for request in player.take() if request.kind != "time"]


@pytest.mark.parametrize(
    ("off", "is_believed"),
    [(0.0, True), (0.99, True), (-0.99, True), (1.01, False), (-1.01, False), (None, False)],
)
def test_an_opening_whose_time_does_not_fit_the_servers_clock_is_read_before_it_is_believed(
    player: Player, off: float | None, *, is_believed: bool
) -> None:
    if off is not None:
        player.learn_time(NOW + off)
    stats = {"state": "OPEN", "failures": 3, "successes": 0, "nextAttempt": (NOW + 60) * 1000}
    ours = {"p": 1, "version": f"{NOW}000000", "writer": "aaaa", "at": NOW * 1000}
    player.exchange.inbox.receive(json.dumps({"key": KEY, "stats": stats, **ours}).encode())
    assert player.state == ("OPEN" if is_believed else "CLOSED")
    assert ("read" in kinds(player)) is not is_believed


def hear(player: Player, signal: str, milliseconds: int) -> None:
    said = {"p": 1, "key": KEY, "signal": signal, "version": "0", "writer": ""}
    player.exchange.inbox.receive_signal(json.dumps({**said, "ms": milliseconds}).encode())


def test_who_has_a_success_only_after_the_first_look_objects_at_the_second(player: Player) -> None:
    hear(player, "armed", 3_600_000)
    hear(player, "suspect", 0)
    assert kinds(player) == []
    player.clock.advance(0.01)
    player.succeed()
    player.clock.advance(OBJECT_AGAIN)
    assert kinds(player) == []  # decided: it is on its way
    player.clock.advance(OBJECTION_JITTER)
    [report] = [one for one in player.take() if one.kind == "report"]
    ago = report.command[3 + 2 + 10]
    assert float(ago) == pytest.approx((OBJECT_AGAIN + OBJECTION_JITTER) * 1_000_000)


def test_who_had_no_success_until_the_second_look_does_not_object(player: Player) -> None:
    hear(player, "armed", 3_600_000)
    player.succeed()
    player.clock.advance(1.0)
    hear(player, "suspect", 500)
    for _ in range(3):
        assert kinds(player) == []
        player.clock.advance(OBJECT_AGAIN + OBJECTION_JITTER)
    player.succeed()  # too late
    for _ in range(3):
        assert kinds(player) == []
        player.clock.advance(OBJECT_AGAIN + OBJECTION_JITTER)


def test_who_had_a_success_since_the_run_began_objects_at_once(player: Player) -> None:
    hear(player, "armed", 3_600_000)
    player.succeed()
    player.clock.advance(1.0)
    hear(player, "suspect", 1500)
    assert kinds(player) == []
    player.clock.advance(OBJECTION_JITTER)
    assert kinds(player) == ["report"]
