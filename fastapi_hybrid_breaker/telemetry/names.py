"""The names in metrics and events; they change only with a major version."""

from __future__ import annotations

from typing import Final

SCOPE: Final = "fastapi_hybrid_breaker"
"""The instrumentation scope: the name of the meter."""

KEY: Final = "circuit_breaker.key"
NAMESPACE: Final = "circuit_breaker.namespace"
STATE: Final = "circuit_breaker.state"
OUTCOME: Final = "circuit_breaker.outcome"
CAUSE: Final = "circuit_breaker.change.cause"
OLD: Final = "circuit_breaker.change.old"
NEW: Final = "circuit_breaker.change.new"
KIND: Final = "circuit_breaker.override.kind"
SOURCE: Final = "circuit_breaker.sync.source"
RETRY_AFTER: Final = "circuit_breaker.retry_after"
INSTANCE: Final = "circuit_breaker.instance"

REJECTED: Final = "circuit_breaker.rejected"
CHANGED: Final = "circuit_breaker.changed"

OTHER: Final = "other"
"""Stands for all keys that have no series of their own."""
