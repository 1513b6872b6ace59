"""The names and formats that the fleet shares: keys, messages, replies of the script.

Names and the four plain fields are the reference's, spoken by services in other languages:
camelCase, epoch milliseconds. Ours stand beside them. All that comes in is checked here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.keys import is_key
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import CircuitState, CircuitStats
from fastapi_hybrid_breaker.core.versions import horizon_at

from .evidence_wire import parse_evidence, read_evidence
from .fields import (
    VERSION_LIMIT,
    MalformedError,
    read_count,
    read_json,
    read_number,
    read_time,
    read_version,
    read_writer,
)
from .override_wire import HeardOverride

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.evidence import Evidence
    from fastapi_hybrid_breaker.core.override import OverrideView

N = TypeVar("N", int, float)

PROTOCOL: Final = 1
"""Stands in each message and hash. From a higher one only state, version and times are read."""

LARGEST_MESSAGE: Final = 64 * 1024
"""Bytes; ours have about 300."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A circuit's state as a message or a hash tells it.

    Args:
        state, failures, successes: as they say.
        next_attempt: end of the open time, epoch seconds by the server's clock; 0.0 for none.
        version, writer: of the state; 0 and "" from a writer of the plain format.
        at: when it was written, epoch seconds by the server's clock; 0.0 where unknown.
        plain: a writer of the plain format was here last.
        reopenings, evidence: as in ``News``.
        basic_failures: consecutive failures that a client of the basic format has counted since
            we wrote last; only where the hash was read, and CLOSED.
        recovered_at, let_back_at: when a recovery closed it, and when calls were let back in
            shares, epoch seconds by the server's clock; 0.0: never, or not told.
    """

    state: CircuitState
    failures: int
    successes: int
    next_attempt: float
    version: int
    writer: str
    at: float
    plain: bool
    reopenings: int = 0
    evidence: Evidence | None = None
    basic_failures: int = 0
    recovered_at: float = 0.0
    let_back_at: float = 0.0

    def remaining(self, server_now: float | None) -> float:
        """Give the seconds until the next attempt, never more than the open time as written."""
        if self.state is not CircuitState.OPEN:
            return 0.0
        whole = min(DAY, self.next_attempt - self.at) if self.at else DAY
        left = whole if server_now is None else self.next_attempt - server_now
        return max(0.0, min(left, whole))

    def news(self, server_now: float | None) -> News:
        """Return what a circuit can adopt."""

        def since(moment: float) -> float:
            return 0.0 if server_now is None else max(0.0, server_now - moment)

        return News(
            version=self.version,
            writer=self.writer,
            state=self.state,
            failures=self.failures,
            successes=self.successes,
            remaining=self.remaining(server_now),
            reopenings=self.reopenings,
            evidence=self.evidence,
            age=since(self.at),
            recovered_for=since(self.recovered_at) if self.recovered_at else None,
            let_back_for=since(self.let_back_at) if self.let_back_at else None,
            horizon=horizon_at(server_now),
        )

    def stats(
        self, config: CircuitConfig, wall_now: float, server_now: float | None
    ) -> CircuitStats:
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
            reopenings=self.reopenings,
            mode=config.mode,
            ready_to_probe=is_open and remaining == 0.0,
        )


def parse_message(data: object) -> tuple[str, Heard | None, HeardOverride | None]:
    """Read a message of the channel: its key, and what it tells of the state and the override.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(data, bytes) or len(data) > LARGEST_MESSAGE:
        raise MalformedError("a message too large")
    message = read_json("a message", data)
    if not isinstance(message, dict) or not isinstance(message.get("stats"), dict):
        raise MalformedError("a message without stats")
    key = message.get("key")
    if not isinstance(key, str) or not is_key(key):
        raise MalformedError("a message whose key names no circuit")
    stats: dict[str, Any] = message["stats"]
    protocol = message.get("p")
    if protocol is None:
        return key, heard_of(stats, 0, "", 0.0, plain=True), None
    override = HeardOverride.from_message(message.get("override"))
    if override is not None and message.get("version") is None:
        return key, None, override
    if isinstance(message.get("under"), dict):
        stats = message["under"]
    is_beyond_us = read_protocol(protocol) > PROTOCOL
    if is_beyond_us:
        stats = {name: stats.get(name) for name in ("state", "nextAttempt")}
    at = read_time("at", message.get("at"))
    if not at:
        raise MalformedError("a message without a time")
    version, writer = read_version(message.get("version")), read_writer(message.get("writer"))
    heard = heard_of(stats, version, writer, at, plain=False)
    if is_beyond_us:
        return key, heard, None
    heard = replace(
        heard,
        reopenings=read_count("reopened", message.get("reopened")),
        evidence=read_evidence(message.get("why")),
    )
    return key, with_recovery(heard, message), override


def read_protocol(value: object) -> int:
    """Return the number of the protocol that a message or hash is in.

    Raises:
        MalformedError: it is not a number above 0.
    """
    protocol = read_number("p", value)
    if not protocol:
        raise MalformedError("a protocol without a number")
    return protocol


def lenient(read: Callable[[Any], N], value: object) -> N:
    """Return 0 where ``value`` is malformed: of a hash, several services write single fields."""
    try:
        return read(value)
    except MalformedError:
        return read(0)


def with_recovery(heard: Heard, fields: Mapping[str, Any]) -> Heard:
    """Return the same with what is told of its last recovery."""
    return replace(
        heard,
        recovered_at=lenient(partial(read_time, "closedAt"), fields.get("closedAt")),
        let_back_at=lenient(partial(read_time, "ramp"), fields.get("ramp")),
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the script; ``stored`` is None where the hash has no state in it."""

    status: str
    stored: Heard | None
    server_time: float
    override: HeardOverride | None = None

    def override_in_force(self) -> OverrideView | None:
        """Return the override that is in force by the server's clock, or None."""
        news = None if self.override is None else self.override.news(self.server_time)
        return None if news is None else news.override


def parse_reply(values: object) -> Reply:
    """Read an answer of the script.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(values, list) or len(values) != 14:
        raise MalformedError(f"an answer of the script that is none: {values!r:.200}")
    try:
        status, version, writer, state, failures, successes, next_attempt, at, now, *more = (
            value.decode() for value in values
        )
    except (UnicodeDecodeError, AttributeError):
        raise MalformedError("an answer of the script that is no text") from None
    reopened, why, register, closed_at, ramp = more
    server_time = read_number("time", now) / 1_000_000
    override = HeardOverride.from_register(register) if register else None
    if not state:
        return Reply(status, None, server_time, override)
    stats = {
        "state": state,
        "failures": failures,
        "successes": successes,
        "nextAttempt": next_attempt,
    }
    stored = heard_of(
        stats,
        read_number("version", version, VERSION_LIMIT - 1),
        writer,
        read_time("at", at),
        plain=status == "foreign",
    )
    stored = replace(
        stored,
        reopenings=read_count("reopened", reopened),
        evidence=parse_evidence(why),
    )
    stored = with_recovery(stored, {"closedAt": closed_at, "ramp": ramp})
    return Reply(status, stored, server_time, override)


def heard_of(stats: dict[str, Any], version: int, writer: str, at: float, *, plain: bool) -> Heard:
    """Return a state from the four fields of the basic format.

    Raises:
        MalformedError: one of them is malformed.
    """
    try:
        state = CircuitState(str(stats.get("state")))
    except ValueError:
        raise MalformedError("a state that is none") from None
    return Heard(
        state=state,
        failures=read_count("failures", stats.get("failures")),
        successes=read_count("successes", stats.get("successes")),
        next_attempt=read_time("nextAttempt", stats.get("nextAttempt")),
        version=version,
        writer=writer,
        at=at,
        plain=plain,
    )
