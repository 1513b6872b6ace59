"""The names and formats that the fleet shares: keys, messages, hashes, replies of the script.

Names and the four plain fields are the reference's, spoken by services in other languages:
camelCase, epoch milliseconds. Ours stand beside them. All that comes in is checked here.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.keys import is_key
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import CircuitState, CircuitStats

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL: Final = 1
"""Stands in each message and hash. From a higher one only state, version and times are read."""

VERSION_LIMIT: Final = 2**53 - 10**12
"""Versions are exact as Lua and JavaScript numbers, with room to count on."""

LARGEST_MESSAGE: Final = 64 * 1024
"""Bytes; ours have about 300."""

HASH_FIELDS: Final = (
    "state",
    "failures",
    "successes",
    "nextAttempt",
    "version",
    "writer",
    "at",
    "sum",
    "p",
)

_MOST_COUNTED = 10**12
_LATEST = 2**53


class MalformedError(ValueError):
    """Something from Redis that is not in the format."""


class Names:
    """The names in Redis under one namespace."""

    def __init__(self, namespace: str) -> None:
        self.channel = f"{namespace}:updates"
        self.index = f"{namespace}#index"  # no ":", or a scan for circuits would find it
        self._prefix = f"{namespace}:"

    def hash(self, key: str) -> str:
        """Give the name of a circuit's hash."""
        return self._prefix + key


@dataclass(frozen=True, slots=True)
class Heard:
    """A circuit's state as a message or a hash tells it.

    Args:
        state, failures, successes: as they say.
        next_attempt: end of the open time, epoch seconds by the server's clock; 0.0 for none.
        version, writer: of the state; 0 and "" from a writer of the plain format.
        at: when it was written, epoch seconds by the server's clock; 0.0 where unknown.
        plain: a writer of the plain format was here last.
    """

    state: CircuitState
    failures: int
    successes: int
    next_attempt: float
    version: int
    writer: str
    at: float
    plain: bool

    def remaining(self, server_now: float | None) -> float:
        """Give the seconds until the next attempt, never more than the open time as written."""
        if self.state is not CircuitState.OPEN:
            return 0.0
        whole = min(DAY, self.next_attempt - self.at) if self.at else DAY
        left = whole if server_now is None else self.next_attempt - server_now
        return max(0.0, min(left, whole))

    def news(self, server_now: float | None) -> News:
        """Give what a circuit can adopt."""
        return News(
            version=self.version,
            writer=self.writer,
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            remaining=self.remaining(server_now),
        )

    def stats(self, wall_now: float, server_now: float | None) -> CircuitStats:
        """Give figures to show for a circuit that this process does not know."""
        remaining = self.remaining(server_now)
        is_open = self.state is CircuitState.OPEN
        return CircuitStats(
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            next_attempt=wall_now + remaining if is_open else None,
            retry_after=remaining,
            rejected=0,
            version=self.version,
        )


def parse_message(data: object) -> tuple[str, Heard]:
    """Read a message of the channel: its key, and what it tells.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(data, bytes) or len(data) > LARGEST_MESSAGE:
        raise MalformedError("a message too large")
    try:
        message = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"a message that is no JSON: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("stats"), dict):
        raise MalformedError("a message without stats")
    key = message.get("key")
    if not isinstance(key, str) or not is_key(key):
        raise MalformedError("a message whose key names no circuit")
    stats: dict[str, Any] = message["stats"]
    version, writer, at = 0, "", 0.0
    protocol = message.get("p")
    if protocol is not None:
        if _number("p", protocol, 1, _MOST_COUNTED) > PROTOCOL:
            stats = {name: stats.get(name) for name in ("state", "nextAttempt")}
        version = _version(message.get("version"))
        writer = _writer(message.get("writer"))
        at = _number("at", message.get("at"), 1, _LATEST) / 1000
    return key, _heard(stats, version, writer, at, plain=protocol is None)


def parse_hash(values: Sequence[bytes | None]) -> Heard | None:
    """Read a circuit's hash from its ``HASH_FIELDS``; None where there is none.

    Raises:
        MalformedError: it is not in the format.
    """
    if all(value is None for value in values):
        return None
    try:
        texts = [None if value is None else value.decode() for value in values]
    except UnicodeDecodeError:
        raise MalformedError("a hash that is no text") from None
    fields = dict(zip(HASH_FIELDS, texts, strict=True))
    stats: dict[str, Any] = {name: fields[name] for name in HASH_FIELDS[:4]}
    if fields["version"] is None:
        return _heard(stats, 0, "", 0.0, plain=True)
    ours = (fields["sum"] or "").split("|")
    # Counts alone do not matter: a plain speaker writes them with every call.
    plain = ours[0] != fields["state"] or (
        fields["state"] == CircuitState.OPEN and ours[-1] != fields["nextAttempt"]
    )
    if _number("p", fields["p"], 1, _MOST_COUNTED) > PROTOCOL:
        stats = {name: stats[name] for name in ("state", "nextAttempt")}
    version, writer = _version(fields["version"]), _writer(fields["writer"])
    at = 0.0 if plain else _number("at", fields["at"], 1, _LATEST) / 1000
    return _heard(stats, version, writer, at, plain=plain)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the script; ``stored`` is None where the hash has no state in it."""

    status: str
    stored: Heard | None
    server_time: float


def parse_reply(values: object) -> Reply:
    """Read an answer of the script.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(values, list) or len(values) != 9:
        raise MalformedError(f"an answer of the script that is none: {values!r}")
    try:
        status, version, writer, state, failures, successes, next_attempt, at, now = (
            value.decode() for value in values
        )
    except (UnicodeDecodeError, AttributeError):
        raise MalformedError("an answer of the script that is no text") from None
    server_time = _number("time", now, 0, 2**60) / 1_000_000
    if not state:
        return Reply(status, None, server_time)
    stats = {
        "state": state,
        "failures": failures,
        "successes": successes,
        "nextAttempt": next_attempt,
    }
    stored = _heard(
        stats,
        int(_number("version", version, 0, VERSION_LIMIT - 1)),
        writer,
        _number("at", at, 0, _LATEST) / 1000,
        plain=status == "foreign",
    )
    return Reply(status, stored, server_time)


def _heard(stats: dict[str, Any], version: int, writer: str, at: float, *, plain: bool) -> Heard:
    try:
        state = CircuitState(str(stats.get("state")))
    except ValueError:
        raise MalformedError("a state that is none") from None
    return Heard(
        state=state,
        failures=int(_number("failures", stats.get("failures"), 0, _MOST_COUNTED)),
        successes=int(_number("successes", stats.get("successes"), 0, _MOST_COUNTED)),
        next_attempt=_number("nextAttempt", stats.get("nextAttempt"), 0, _LATEST) / 1000,
        version=version,
        writer=writer,
        at=at,
        plain=plain,
    )


def _number(field: str, value: object, least: float, most: float) -> float:
    """Read a number that may come as text or not at all (0)."""
    if value is None:
        value = 0
    if isinstance(value, str) and len(value) <= 32:
        try:
            value = float(value)
        except ValueError:
            raise MalformedError(f"a {field} that is no number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MalformedError(f"a {field} that is no number")
    if not least <= value <= most:
        raise MalformedError(f"a {field} out of range")
    return value


def _version(value: object) -> int:
    """Read a version: decimal digits in a string, since JSON numbers lose some on the way."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        version = int(value)
        if 0 < version < VERSION_LIMIT:
            return version
    raise MalformedError("a version that is none")


def _writer(value: object) -> str:
    if isinstance(value, str) and 1 <= len(value) <= 64 and value.isascii() and value.isalnum():
        return value
    raise MalformedError("a writer that is none")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
