"""The names and formats that the fleet shares: keys, messages, hashes, replies of the script.

Names and the four plain fields are the reference's, spoken by services in other languages:
camelCase, epoch milliseconds. Ours stand beside them. All that comes in is checked here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from fastapi_hybrid_breaker.core.checks import DAY
from fastapi_hybrid_breaker.core.keys import is_key
from fastapi_hybrid_breaker.core.news import News
from fastapi_hybrid_breaker.core.states import CircuitState, CircuitStats

from .evidence_wire import parse_evidence, read_evidence
from .fields import VERSION_LIMIT, MalformedError, number, read_version, read_writer
from .override_wire import HeardOverride

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.evidence import Evidence
    from fastapi_hybrid_breaker.core.override import OverrideView

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

_MOST_COUNTED = 10**12
_LATEST = 2**53


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
    protocol = message.get("p")
    if protocol is None:
        return key, _heard(stats, 0, "", 0.0, plain=True), None
    override = HeardOverride.from_message(message.get("override"))
    if override is not None and message.get("version") is None:
        return key, None, override
    if isinstance(message.get("under"), dict):
        stats = message["under"]
    is_beyond_us = number("p", protocol, 1, _MOST_COUNTED) > PROTOCOL
    if is_beyond_us:
        stats = {name: stats.get(name) for name in ("state", "nextAttempt")}
    heard = _heard(
        stats,
        read_version(message.get("version")),
        read_writer(message.get("writer")),
        number("at", message.get("at"), 1, _LATEST) / 1000,
        plain=False,
    )
    if is_beyond_us:
        return key, heard, None
    heard = replace(
        heard,
        reopenings=int(number("reopened", message.get("reopened"), 0, _MOST_COUNTED)),
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
    try:
        texts = [None if value is None else value.decode() for value in values]
    except (UnicodeDecodeError, AttributeError):
        raise MalformedError("a hash that is no text") from None
    fields = dict(zip(HASH_FIELDS, texts, strict=True))
    stats: dict[str, Any] = {name: fields[name] for name in HASH_FIELDS[:4]}
    if fields["version"] is None and fields["under"] == "-":
        return None  # an override, and no state told under it
    if fields["version"] is None:
        return _with_basic(_heard(stats, 0, "", 0.0, plain=True))
    ours = (fields["sum"] or "").split("|")
    under = (fields["under"] or "").split("|")
    # Counts alone do not matter: a plain speaker writes them with every call.
    plain = ours[0] != fields["state"] or (
        fields["state"] == CircuitState.OPEN and ours[-1] != fields["nextAttempt"]
    )
    if len(under) == 4 and not plain:
        stats = dict(zip(HASH_FIELDS[:4], under, strict=True))
    is_beyond_us = number("p", fields["p"], 1, _MOST_COUNTED) > PROTOCOL
    if is_beyond_us:
        stats = {name: stats[name] for name in ("state", "nextAttempt")}
    version, writer = read_version(fields["version"]), read_writer(fields["writer"])
    at = 0.0 if plain else number("at", fields["at"], 1, _LATEST) / 1000
    heard = _heard(stats, version, writer, at, plain=plain)
    if is_beyond_us:
        return heard
    if plain or (fields["under"] is None and ours[1:2] != [fields["failures"]]):
        heard = _with_basic(heard)
    heard = replace(
        heard,
        reopenings=int(number("reopened", fields["reopened"], 0, _MOST_COUNTED)),
        evidence=parse_evidence(fields["why"]),
    )
    # One that does not know of these fields leaves those of an older version there.
    return _with_recovery(heard, fields) if fields["closedOf"] == fields["version"] else heard


def _with_basic(heard: Heard) -> Heard:
    """Return the same, its failures being those that a client of the basic format has counted."""
    is_closed = heard.state is CircuitState.CLOSED
    return replace(heard, basic_failures=heard.failures if is_closed else 0)


def _with_recovery(heard: Heard, fields: Mapping[str, Any]) -> Heard:
    return replace(
        heard,
        recovered_at=number("closedAt", fields.get("closedAt") or 0, 0, _LATEST) / 1000,
        let_back_at=number("ramp", fields.get("ramp") or 0, 0, _LATEST) / 1000,
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
    server_time = number("time", now, 0, 2**60) / 1_000_000
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
        int(number("version", version, 0, VERSION_LIMIT - 1)),
        writer,
        number("at", at, 0, _LATEST) / 1000,
        plain=status == "foreign",
    )
    stored = replace(
        stored,
        reopenings=int(number("reopened", reopened, 0, _MOST_COUNTED)),
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
        failures=int(number("failures", stats.get("failures"), 0, _MOST_COUNTED)),
        successes=int(number("successes", stats.get("successes"), 0, _MOST_COUNTED)),
        next_attempt=number("nextAttempt", stats.get("nextAttempt"), 0, _LATEST) / 1000,
        version=version,
        writer=writer,
        at=at,
        plain=plain,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
