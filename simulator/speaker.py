"""A service that speaks only the basic format: hash and channel, no versions, no scripts.

It is written from the format's description alone and shares no code with the package: fields
``state``, ``failures``, ``successes``, ``nextAttempt`` in the hash ``circuit:<key>``, an hour to
live, and a message on ``circuit:updates`` after each call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from .network import Client
from .process import Process
from .upstream import SickError
from .wire import Link

if TYPE_CHECKING:
    from .fleet import Fleet

_THRESHOLD, _SUCCESSES, _OPEN_SECONDS = 5, 2, 4.0


@dataclass
class _View:
    """What it knows of a circuit; times are epoch milliseconds of its own wall clock."""

    state: str = "CLOSED"
    failures: int = 0
    successes: int = 0
    next_attempt: int = 0


class Speaker:
    """One such service: it decides for itself, and takes over whatever it receives.

    Args:
        fleet: where it belongs.
        number: its number as a caller; those of instances come before.
        wall: seconds by which its clock is wrong.
    """

    def __init__(self, fleet: Fleet, number: int, wall: float) -> None:
        self.fleet = fleet
        self.number = number
        self.link = Link()
        self.process = Process(wall=wall)
        self._client = Client(fleet.server, self.link)
        self._views: dict[str, _View] = {}

    def start(self) -> None:
        """Begin to listen."""
        self.process.start(self._listen())

    def call_soon(self, key: str, duration: float) -> None:
        """Make one call."""
        self.process.start(self._call(key, duration))

    @property
    def works(self) -> bool:
        """Return whether it serves calls."""
        return True

    def _now(self) -> int:
        return int(self.process.time() * 1000)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(RedisError):
                async with contextlib.aclosing(self._client.pubsub()) as pubsub:
                    await pubsub.subscribe("circuit:updates")
                    while True:
                        message = await pubsub.get_message(timeout=3600.0)
                        if message is not None and message["type"] == "message":
                            self._hear(json.loads(message["data"]))
            await asyncio.sleep(0.5)

    def _hear(self, message: dict[str, Any]) -> None:
        stats = message["stats"]
        names = ("state", "failures", "successes", "nextAttempt")
        self._views[message["key"]] = _View(*(stats[name] for name in names))

    async def _call(self, key: str, duration: float) -> None:
        view = self._views.setdefault(key, _View())
        if view.state == "OPEN":
            if self._now() < view.next_attempt:
                return
            view.state, view.successes = "HALF_OPEN", 0
        upstream = self.fleet.upstreams[key]
        upstream.begin()  # its probes are nobody's business
        try:
            await asyncio.sleep(duration)
            upstream.answer(self.number)
        except SickError:
            self._failed(self._views[key])
        else:
            self._succeeded(self._views[key])
        finally:
            upstream.end()
        await self._say(key, self._views[key])

    def _failed(self, view: _View) -> None:
        view.failures += 1
        if view.state == "HALF_OPEN" or view.failures >= _THRESHOLD:
            view.state, view.next_attempt = "OPEN", self._now() + int(_OPEN_SECONDS * 1000)

    def _succeeded(self, view: _View) -> None:
        if view.state == "HALF_OPEN":
            view.successes += 1
            if view.successes < _SUCCESSES:
                return
        view.state, view.failures, view.successes, view.next_attempt = "CLOSED", 0, 0, 0

    async def _say(self, key: str, view: _View) -> None:
        stats = {
            "state": view.state,
            "failures": view.failures,
            "successes": view.successes,
            "nextAttempt": view.next_attempt,
        }
        name = f"circuit:{key}"
        pairs = [part for pair in stats.items() for part in pair]
        message = json.dumps({"key": key, "stats": stats})
        with contextlib.suppress(RedisError):
            await self._client.execute_command("HSET", name, *pairs)
            await self._client.execute_command("EXPIRE", name, 3600)
            await self._client.execute_command("PUBLISH", "circuit:updates", message)
