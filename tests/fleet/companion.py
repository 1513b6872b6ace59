"""A player that takes part in what the fleet counts and probes together, signals included."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.core.states import Outcome
from tests import inside

from .player import Player
from .sessions import set_next_heartbeat

if TYPE_CHECKING:
    from .server import Server


class Companion(Player):
    """One instance of a fleet, moved by hand; it believes in ``live`` instances.

    ``round_trip`` is how long it takes exchanges with the server to be: the longer, the more
    probes need a lease.
    """

    def __init__(
        self, server: Server, instance: str, live: int = 3, round_trip: float = 0.0, **config: Any
    ) -> None:
        super().__init__(server, instance, **config)
        self.own.server.note_round_trip = lambda _: None  # type: ignore[method-assign]
        inside.peers_of(self.breaker).round_trip = round_trip
        self.pubsub.subscribe("circuit#signals")
        self.arrived()
        inside.sync_of(self.breaker).touched = self._stirred
        peers = inside.peers_of(self.breaker)
        peers.has_fleet = peers.is_connected = True
        peers.live = live
        set_next_heartbeat(self.exchange, float("inf"))

    def _stirred(self, circuit: Any) -> None:
        self.exchange.touched(circuit)

    def call(self, outcome: Outcome = Outcome.SUCCESS) -> None:
        inside.settle(self.circuit, inside.admit(self.circuit), outcome)

    def listen(self) -> None:
        for message in self.arrived():
            hear = (
                self.exchange.inbox.receive_signal
                if message["channel"] == b"circuit#signals"
                else self.exchange.inbox.receive
            )
            hear(message["data"])


def together(*players: Companion, seconds: float = 0.4, step: float = 0.05) -> None:
    """Let time pass here and on the server, and everything arrive."""
    for _ in range(round(seconds / step)):
        for player in players:
            player.send()
        for player in players:
            player.listen()
        time.sleep(step)
        for player in players:
            player.clock.advance(step)
