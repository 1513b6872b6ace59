"""An instance of the fleet that a test moves by hand: each send, answer and message."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import redis as redis_py

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.states import Outcome
from fastapi_hybrid_breaker.fleet.exchange import Exchange
from fastapi_hybrid_breaker.fleet.names import Names
from fastapi_hybrid_breaker.fleet.own_instance import OwnInstance
from fastapi_hybrid_breaker.fleet.scripts import NAMES, load
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside
from tests.patience import PATIENCE

from .server import arrived

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import Circuit
    from fastapi_hybrid_breaker.fleet.work_item import Request

    from .server import Server

KEY = "inventory-api"


class Player:
    """One instance whose every send, answer and message the test moves by hand."""

    def __init__(self, server: Server, instance: str, **config: Any) -> None:
        self.clock = ManualClock()
        settings = {"failure_threshold": 1, "success_threshold": 1, "recovery_timeout": 30.0}
        defaults = CircuitConfig(**(settings | config))
        self.breaker = HybridBreaker(redis=None, defaults=defaults, clock=self.clock)
        self.own = OwnInstance(
            instance, Names("circuit"), inside.registry_of(self.breaker), clock=self.clock
        )
        self.exchange = Exchange(self.own)
        inside.sync_of(self.breaker).changed = self.exchange.changed
        self.raw = redis_py.Redis(port=server.port, protocol=2)
        self.pubsub = self.raw.pubsub(ignore_subscribe_messages=True)
        self.pubsub.subscribe("circuit:updates")
        self.pubsub.get_message(timeout=PATIENCE)
        for name in NAMES:
            self.raw.script_load(load(name).text)

    @property
    def circuit(self) -> Circuit:
        return self.breaker.circuit(KEY)

    @property
    def state(self) -> CircuitState:
        return self.breaker.state(KEY)

    @property
    def version(self) -> int:
        return self.breaker.stats(KEY).version

    def fail(self) -> None:
        inside.settle(self.circuit, inside.admit(self.circuit), Outcome.FAILURE)

    def succeed(self) -> None:
        inside.settle(self.circuit, inside.admit(self.circuit), Outcome.SUCCESS)

    def reset(self) -> Future[None]:
        return self.exchange.circuits.reset(KEY, inside.reset_here(self.circuit))

    def take(self) -> list[Request]:
        return self.exchange.take(100)

    def deliver(self, requests: list[Request]) -> list[Any]:
        """Make the server do it; the answers are not handled yet."""
        answers: list[Any] = []
        for request in requests:
            try:
                answers.append(self.raw.execute_command(*request.command))
            except redis_py.ResponseError as error:
                answers.append(error)
        return answers

    def answer(self, requests: list[Request], answers: list[Any]) -> None:
        now = self.clock()
        self.exchange.answered(requests, answers, now, now)

    def learn_time(self, server_now: float | None = None) -> None:
        """Know the server's time; None: ask the server."""
        if server_now is None:
            seconds, microseconds = self.raw.time()
            server_now = seconds + microseconds / 1_000_000
        now = self.clock()
        self.own.server.sample(now, now, server_now)

    def send(self) -> None:
        """Send all there is, with prompt answers."""
        while requests := self.take():
            self.answer(requests, self.deliver(requests))

    def messages(self) -> list[bytes]:
        """What came over the channel by now."""
        return [message["data"] for message in self.arrived()]

    def arrived(self) -> list[dict[str, Any]]:
        """All messages that were sent before this, as the client gives them."""
        return arrived(self.pubsub)

    def listen(self) -> None:
        for message in self.messages():
            self.exchange.inbox.receive(message)

    def close(self) -> None:
        self.pubsub.close()
        self.raw.close()


def play(*players: Player) -> None:
    """Let everything arrive."""
    for _ in range(4):
        for player in players:
            player.send()
        for player in players:
            player.listen()
