"""Evidence as messages and hashes have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from fastapi_hybrid_breaker.fleet.messages import LenientWhy, QuotedWhy, Why

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.evidence import Evidence

_IN_MESSAGES: Final[TypeAdapter[Why | None]] = TypeAdapter(LenientWhy)
_QUOTED: Final[TypeAdapter[Why | None]] = TypeAdapter(QuotedWhy)


def evidence_in(said: object) -> Evidence | None:
    """Return the evidence in the parsed JSON of a message."""
    why = _IN_MESSAGES.validate_python(said)
    return None if why is None else why.evidence()


def quoted_evidence(text: str | None) -> Evidence | None:
    """Return the evidence in the text in a hash."""
    why = _QUOTED.validate_python(text)
    return None if why is None else why.evidence()
