"""The names and formats that the fleet shares: keys, messages, hashes, replies of the script.

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

from .evidence_wire import parse_evidence, read_evidence
from .fields import (
    VERSION_LIMIT,
    MalformedError,
    as_text,
    is_basic,
    is_name,
    read_count,
    read_four,
    read_json,
    read_number,
    read_time,
    read_version,
    read_writer,
)
from .override_wire import HeardOverride

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.evidence import Evidence
    from fastapi_hybrid_breaker.core.override import OverrideView

N = TypeVar("N", int, float)

PROTOCOL: Final = 1
"""Stands in each message and hash. From a higher one only state, version and times are read."""

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
    "reopened",
    "why",
    "under",
    "closedAt",
    "ramp",
    "closedOf",
)


class Names:
    """The names in Redis under one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.channel = f"{namespace}:updates"
        # With "#" where circuits have ":", or a scan for circuits would find them.
        self.index = f"{namespace}#index"
        self.overridden = f"{namespace}#overridden"
        self.signals = f"{namespace}#signals"
        # Two keys of one slot: a script needs both.
        self.live = f"{namespace}#{{live}}"
        self.instances = f"{namespace}#{{live}}:about"
        self._overrides = f"{namespace}#override:"
        self._evidence = f"{namespace}#evidence:"
        self._prefix = f"{namespace}:"

    def hash(self, key: str) -> str:
        """Give the name of a circuit's hash."""
        return self._prefix + key

    def override(self, key: str) -> str:
        """Give where a circuit's override is kept."""
        return self._beside(self._overrides, key)

    def evidence(self, key: str) -> str:
        """Give where the fleet counts the calls on a circuit."""
        return self._beside(self._evidence, key)

    def _beside(self, prefix: str, key: str) -> str:
        """Give a name in the same slot of a cluster as a circuit's hash.

        A circuit whose key has a closing brace, and yet no hash tag, has no other name in its
        slot, and keeps what would stand there in its hash.
        """
        name = self.hash(key)
        _, brace, rest = key.partition("{")
        if brace and rest.find("}") > 0:
            return prefix + name
        return name if "}" in key else f"{prefix}{{{name}}}"


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
        return key, _heard(stats, 0, "", 0.0, plain=True), None
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
    heard = _heard(stats, version, writer, at, plain=False)
    if is_beyond_us:
        return key, heard, None
    heard = replace(
        heard,
        reopenings=read_count("reopened", message.get("reopened")),
        evidence=read_evidence(message.get("why")),
    )
    return key, _with_recovery(heard, message), override


def parse_hash(values: Sequence[bytes | None]) -> Heard | None:
    """Read a circuit's hash from its ``HASH_FIELDS``; None where there is none.

    Raises:
        MalformedError: it is not in the format.
    """
    if not isinstance(values, list | tuple) or len(values) != len(HASH_FIELDS):
        raise MalformedError("a hash that is none")
    if all(value is None for value in values):
        return None
    fields = dict(zip(HASH_FIELDS, map(_text, values), strict=True))
    told: dict[str, Any] = {name: fields[name] for name in HASH_FIELDS[:4]}
    version = _version_of(fields)
    if not version:
        if fields["under"] == "-":
            return None  # an override, and no state told under it
        return _with_basic(_heard(told, 0, "", 0.0, plain=True))
    shown, under = read_four(fields["sum"]), read_four(fields["under"])
    # Like the script: basic fields of which one is malformed say nothing, and what we wrote holds.
    is_told = is_basic(told)
    plain = is_told and _is_foreign(told, shown)
    stats = told if plain else under or (told if is_told else shown)
    if stats is None:
        raise MalformedError("a hash without a state")
    is_beyond_us = _lenient(partial(read_number, "p"), fields["p"]) > PROTOCOL
    if is_beyond_us:
        stats = {name: stats[name] for name in ("state", "nextAttempt")}
    at = 0.0 if plain else _lenient(partial(read_time, "at"), fields["at"])
    heard = _heard(stats, version, fields["writer"] or "", at, plain=plain)
    if is_beyond_us:
        return heard
    has_counted = is_told and shown is not None and shown["failures"] != told["failures"]
    if plain or (under is None and has_counted):
        heard = _with_basic(heard)
    heard = replace(
        heard,
        reopenings=_lenient(partial(read_count, "reopened"), fields["reopened"]),
        evidence=parse_evidence(fields["why"]),
    )
    # One that does not know of these fields leaves those of an older version there.
    return _with_recovery(heard, fields) if fields["closedOf"] == fields["version"] else heard


def _text(value: object) -> str | None:
    """Return what a field of a hash says; one that is not text says nothing that is known."""
    return as_text(value) if isinstance(value, bytes) else None


def _lenient(read: Callable[[Any], N], value: object) -> N:
    """Return 0 where ``value`` is malformed: of a hash, several services write single fields."""
    try:
        return read(value)
    except MalformedError:
        return read(0)


def _version_of(fields: Mapping[str, Any]) -> int:
    """Return the version that a hash has; 0: none, for it goes by version and writer."""
    try:
        return read_version(fields["version"]) if is_name(fields["writer"]) else 0
    except MalformedError:
        return 0


def read_protocol(value: object) -> int:
    """Return the number of the protocol that a message or hash is in.

    Raises:
        MalformedError: it is not a number above 0.
    """
    protocol = read_number("p", value)
    if not protocol:
        raise MalformedError("a protocol without a number")
    return protocol


def _is_foreign(told: dict[str, Any], shown: dict[str, Any] | None) -> bool:
    """Whether a basic-format client has written since we did.

    Counts alone do not matter: such a client writes them with every call.
    """
    if shown is None or told["state"] != shown["state"]:
        return True
    is_open = told["state"] == CircuitState.OPEN
    ends = [read_number("nextAttempt", fields["nextAttempt"]) for fields in (told, shown)]
    return is_open and ends[0] != ends[1]


def _with_basic(heard: Heard) -> Heard:
    """Return the same, its failures being those that a client of the basic format has counted."""
    is_closed = heard.state is CircuitState.CLOSED
    return replace(heard, basic_failures=heard.failures if is_closed else 0)


def _with_recovery(heard: Heard, fields: Mapping[str, Any]) -> Heard:
    return replace(
        heard,
        recovered_at=_lenient(partial(read_time, "closedAt"), fields.get("closedAt")),
        let_back_at=_lenient(partial(read_time, "ramp"), fields.get("ramp")),
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
    stored = _heard(
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
    stored = _with_recovery(stored, {"closedAt": closed_at, "ramp": ramp})
    return Reply(status, stored, server_time, override)


def _heard(stats: dict[str, Any], version: int, writer: str, at: float, *, plain: bool) -> Heard:
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
