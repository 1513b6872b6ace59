"""The one log line of a change of state, and what it carries for machines to read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.states import CircuitState

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import StateChange

log = logging.getLogger("fastapi_hybrid_breaker")


def explain(change: StateChange) -> str:
    """Give in words why a circuit changed, "" where nothing says: rule, error, reason."""
    evidence = change.evidence
    return "; ".join(part for part in (evidence.rule, evidence.error, evidence.reason) if part)


def log_change(change: StateChange) -> None:
    """Log a change: openings as warnings. Nothing is ever logged per call."""
    evidence = change.evidence
    why = explain(change)
    log.log(
        logging.WARNING if change.new is CircuitState.OPEN else logging.INFO,
        "circuit %s: %s -> %s (%s)%s",
        change.key,
        change.old,
        change.new,
        change.cause,
        f": {why}" if why else "",
        extra={
            "circuit_key": change.key,
            "circuit_old": str(change.old),
            "circuit_new": str(change.new),
            "circuit_cause": str(change.cause),
            "circuit_rule": evidence.rule,
            "circuit_failures": evidence.failures,
            "circuit_error": evidence.error,
            "circuit_by": evidence.by,
            "circuit_reason": evidence.reason,
            "circuit_instance": change.instance,
        },
    )
