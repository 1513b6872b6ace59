"""The hash of a circuit, in which several services write: read field by field."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi_hybrid_breaker.core.states import CircuitState

from .evidence_wire import parse_evidence
from .fields import (
    MalformedError,
    as_text,
    is_basic,
    is_name,
    read_count,
    read_four,
    read_number,
    read_time,
    read_version,
)
from .wire import PROTOCOL, Heard, heard_of, lenient, with_recovery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        return _with_basic(heard_of(told, 0, "", 0.0, plain=True))
    shown, under = read_four(fields["sum"]), read_four(fields["under"])
    # Like the script: basic fields of which one is malformed say nothing, and what we wrote holds.
    is_told = is_basic(told)
    plain = is_told and _is_foreign(told, shown)
    stats = told if plain else under or (told if is_told else shown)
    if stats is None:
        raise MalformedError("a hash without a state")
    is_beyond_us = lenient(partial(read_number, "p"), fields["p"]) > PROTOCOL
    if is_beyond_us:
        stats = {name: stats[name] for name in ("state", "nextAttempt")}
    at = 0.0 if plain else lenient(partial(read_time, "at"), fields["at"])
    heard = heard_of(stats, version, fields["writer"] or "", at, plain=plain)
    if is_beyond_us:
        return heard
    has_counted = is_told and shown is not None and shown["failures"] != told["failures"]
    if plain or (under is None and has_counted):
        heard = _with_basic(heard)
    heard = replace(
        heard,
        reopenings=lenient(partial(read_count, "reopened"), fields["reopened"]),
        evidence=parse_evidence(fields["why"]),
    )
    # One that does not know of these fields leaves those of an older version there.
    return with_recovery(heard, fields) if fields["closedOf"] == fields["version"] else heard


def _text(value: object) -> str | None:
    """Return what a field of a hash says; one that is not text says nothing that is known."""
    return as_text(value) if isinstance(value, bytes) else None


def _version_of(fields: Mapping[str, Any]) -> int:
    """Return the version that a hash has; 0: none, for it goes by version and writer."""
    try:
        return read_version(fields["version"]) if is_name(fields["writer"]) else 0
    except MalformedError:
        return 0


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
