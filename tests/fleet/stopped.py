"""The scripts on a real server, at a time that does not pass."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker.fleet.scripts import load
from tests.patience import PATIENCE

from .server import arrived

if TYPE_CHECKING:
    from .server import Server

CHANNEL = "circuit:updates"
SIGNALS = "circuit#signals"


class Stopped:
    """Runs scripts at ``now`` (ms) and ``micro`` (us), and hears what they publish."""

    def __init__(self, server: Server) -> None:
        self.ask = server.ask
        self.began = int(time.time()) * 1000
        self.now = self.began
        self.micro = 0
        self._pubsub = server.ask.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(CHANNEL, SIGNALS)

    def close(self) -> None:
        self._pubsub.close()

    @property
    def us(self) -> int:
        return self.now * 1000 + self.micro

    def run(self, name: str, keys: tuple[str, ...], *arguments: str | int) -> list[Any]:
        """Run a script, and return its answer as text."""
        text = load(name).text
        assert text.count("redis.call('TIME')") == 1
        clock = f"{{'{self.us // 1_000_000}', '{self.us % 1_000_000}'}}"
        text = text.replace("redis.call('TIME')", clock)
        answer: Any = self.ask.eval(text, len(keys), *keys, *map(str, arguments))
        return list(answer)

    def published(self) -> list[dict[str, Any]]:
        """Return what was published since this was asked last."""
        return [
            json.loads(one["data"]) for one in arrived(self._pubsub) if one["type"] == "message"
        ]

    def hash(self, name: str) -> dict[str, str]:
        found: Any = self.ask.hgetall(name)
        return dict(found)

    def lives(self, name: str, milliseconds: int) -> bool:
        """Return whether a key was given so long to live just now."""
        left: Any = self.ask.pttl(name)
        return milliseconds - PATIENCE * 1000 < left <= milliseconds
