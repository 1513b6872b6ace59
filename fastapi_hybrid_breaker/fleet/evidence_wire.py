"""Evidence on its way through Redis: a small JSON object, short names, of limited size."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, Final

from fastapi_hybrid_breaker.core.evidence import Evidence, describe_error

from .fields import MalformedError, read_flat_json

LARGEST: Final = 1024
"""Characters; a longer one goes without the error's text, and then with the cause alone.

Who acted and why always have room: 200 characters each, none of which is longer than two as JSON.
Nor are they longer than four bytes each, and the script keeps 2048."""

_MOST_BYTES: Final = 2048
_MOST: Final = 10**12
_NAMES: Final = {field.name: type(field.default) for field in fields(Evidence)}


def dump_evidence(evidence: Evidence | None) -> str:
    """Write evidence as JSON, leaving out what is empty; "" for none."""
    if evidence is None:
        return ""
    for shorter in (evidence, replace(evidence, error=""), Evidence(cause=evidence.cause)):
        said = {name: getattr(shorter, name) for name in _NAMES if getattr(shorter, name)}
        # Not as ASCII: escapes are six bytes a letter, and the size is limited.
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        if len(text) <= LARGEST and len(text.encode()) <= _MOST_BYTES:
            break
    return text


def parse_evidence(text: str | None) -> Evidence | None:
    """Read what ``dump_evidence`` wrote; None where it is anything else: it is only shown."""
    if not text:
        return None
    try:
        return read_evidence(read_flat_json("evidence", text))
    except MalformedError:
        return None


def read_evidence(said: Any) -> Evidence | None:
    """Read evidence from parsed JSON, dropping what does not belong there."""
    if not isinstance(said, dict):
        return None
    known: dict[str, Any] = {}
    for name, kind in _NAMES.items():
        value = said.get(name)
        if kind is str and isinstance(value, str):
            known[name] = describe_error(value)
        elif kind is int and type(value) is int and 0 <= value <= _MOST:
            known[name] = value
    return Evidence(**known)
