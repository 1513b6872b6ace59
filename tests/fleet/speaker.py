"""A service that speaks only the plain format: hash and channel, no versions, no scripts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import Server


class PlainSpeaker:
    """Writes its view of a circuit with every call, as such services do; ``skew`` in seconds."""

    def __init__(self, server: Server, key: str = "inventory-api", skew: float = 0.0) -> None:
        self.server = server
        self.key = key
        self.skew = skew

    def say(
        self, state: str, *, failures: int = 0, successes: int = 0, open_for: float = 0.0
    ) -> None:
        next_attempt = int((time.time() + self.skew + open_for) * 1000) if open_for else 0
        self.say_exactly(state, failures, successes, next_attempt)

    def say_exactly(self, state: str, failures: int, successes: int, next_attempt: int) -> None:
        stats: dict[str, Any] = {
            "state": state,
            "failures": failures,
            "successes": successes,
            "nextAttempt": next_attempt,
        }
        name = f"circuit:{self.key}"
        self.server.ask.hset(name, mapping=stats)
        self.server.ask.expire(name, 3600)
        message = json.dumps({"key": self.key, "stats": stats})
        self.server.ask.publish("circuit:updates", message)
