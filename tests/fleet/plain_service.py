"""A whole service that speaks only the plain format, in the way of those in other languages.

Written from the format alone, without a line of the package: a map in memory, a hash and a
channel, camelCase, epoch milliseconds by its own wall clock, and three commands with each call.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from types import TracebackType

    from .server import Server

CHANNEL = "circuit:updates"
LIFE = 3600
FIELDS = {"state", "failures", "successes", "nextAttempt"}
STATES = {"CLOSED", "OPEN", "HALF_OPEN"}


class PlainService:
    """One process of such a service.

    Args:
        server: where it shares its circuits.
        key: the circuit that it is asked about when none is named.
        failure_threshold, success_threshold, open_seconds: its own, whatever others have.
        skew: seconds by which its wall clock is ahead.
        listens: False for one that hears nothing, and goes on telling what it believes.
    """

    def __init__(
        self,
        server: Server,
        key: str = "inventory-api",
        *,
        failure_threshold: int = 5,
        success_threshold: int = 2,
        open_seconds: float = 30.0,
        skew: float = 0.0,
        listens: bool = True,
    ) -> None:
        self.key = key
        self.published = 0
        self.misunderstood: list[bytes] = []
        self._server = server
        self._failure_threshold = failure_threshold
        self._success_threshold = success_threshold
        self._open_milliseconds = int(open_seconds * 1000)
        self._skew = skew
        self._listens = listens
        self._circuits: dict[str, dict[str, Any]] = {}
        self._awaited = b""
        self._heard_itself = threading.Event()
        self._ends = threading.Event()
        self._changes = threading.Lock()  # of the map: calls and the listener
        self._channel = server.ask.pubsub(ignore_subscribe_messages=True)
        self._channel.subscribe(CHANNEL)
        self._channel.get_message(timeout=PATIENCE)
        self._listener = threading.Thread(target=self._listen, name="plain service")
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None:
            assert not self.misunderstood

    def close(self) -> None:
        self._ends.set()
        self._listener.join()
        self._channel.close()

    @property
    def state(self) -> str:
        return self.state_of(self.key)

    def state_of(self, key: str) -> str:
        with self._changes:
            return str(self._circuit(key)["state"])

    def succeed(self, key: str = "", times: int = 1) -> list[str]:
        """Make calls that succeed; tells of each whether it was ``admitted`` or ``rejected``."""
        return [self._call(key or self.key, fails=False) for _ in range(times)]

    def fail(self, key: str = "", times: int = 1) -> list[str]:
        """Make calls that fail."""
        return [self._call(key or self.key, fails=True) for _ in range(times)]

    def reset(self, key: str = "") -> None:
        """Close a circuit, as its operator does."""
        key = key or self.key
        with self._changes:
            self._circuits.pop(key, None)
            told = dict(self._circuit(key))
        self._tell(key, told)

    def _circuit(self, key: str) -> dict[str, Any]:
        fresh = {"state": "CLOSED", "failures": 0, "successes": 0, "nextAttempt": 0}
        return self._circuits.setdefault(key, fresh)

    def _call(self, key: str, *, fails: bool) -> str:
        with self._changes:
            circuit = self._circuit(key)
            now = int((time.time() + self._skew) * 1000)
            if circuit["state"] == "OPEN":
                if now < circuit["nextAttempt"]:
                    return "rejected"
                circuit.update(state="HALF_OPEN", successes=0)
            if fails:
                self._failed(circuit, now)
            else:
                self._succeeded(circuit)
            told = dict(circuit)
        self._tell(key, told)
        return "admitted"

    def _failed(self, circuit: dict[str, Any], now: int) -> None:
        circuit["failures"] += 1
        circuit["successes"] = 0
        if circuit["state"] == "HALF_OPEN" or circuit["failures"] >= self._failure_threshold:
            circuit.update(state="OPEN", nextAttempt=now + self._open_milliseconds)

    def _succeeded(self, circuit: dict[str, Any]) -> None:
        circuit["failures"] = 0
        if circuit["state"] == "HALF_OPEN":
            circuit["successes"] += 1
            if circuit["successes"] >= self._success_threshold:
                circuit.update(state="CLOSED", successes=0, nextAttempt=0)

    def _tell(self, key: str, stats: dict[str, Any]) -> None:
        """Write and publish, and wait until that is heard here.

        Such services take over what they hear, their own words too: a call made before the echo
        of the one before would be undone by it, now and then, and the tests would not know.
        """
        name, message = f"circuit:{key}", json.dumps({"key": key, "stats": stats}).encode()
        self._heard_itself.clear()
        self._awaited = message
        self._server.ask.hset(name, mapping=stats)
        self._server.ask.expire(name, LIFE)
        self._server.ask.publish(CHANNEL, message)
        self.published += 1
        assert self._heard_itself.wait(PATIENCE), "the channel is silent"

    def _listen(self) -> None:
        while not self._ends.is_set():
            message = self._channel.get_message(timeout=0.05)
            if message is None:
                continue
            data = message["data"].encode()
            if self._listens:
                self._take_over(data)
            if data == self._awaited:
                self._heard_itself.set()

    def _take_over(self, data: bytes) -> None:
        """Believe what was heard; what cannot be read would have felled many such a service."""
        try:
            message = json.loads(data)
            key = message["key"]
            stats = {name: message["stats"][name] for name in FIELDS}
        except (ValueError, TypeError, KeyError):
            self.misunderstood.append(data)
            return
        counts = [stats[name] for name in FIELDS - {"state"}]
        if stats["state"] not in STATES or not all(type(count) is int for count in counts):
            self.misunderstood.append(data)
            return
        with self._changes:
            self._circuits[key] = stats
