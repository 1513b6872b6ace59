"""Events on the span that is current: what circuits did to the operation it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

from . import names

if TYPE_CHECKING:
    from fastapi_hybrid_breaker.core.states import StateChange


def tell_rejection(key: str, retry_after: float) -> None:
    """Record in the current span that a circuit rejected a call within it."""
    span = trace.get_current_span()
    if span.is_recording():
        span.add_event(names.REJECTED, {names.KEY: key, names.RETRY_AFTER: retry_after})


def tell_change(change: StateChange) -> None:
    """Record in the current span that something within it changed a circuit's state.

    Updates of the fleet come by background tasks, which have none.
    """
    span = trace.get_current_span()
    if span.is_recording():
        attributes: dict[str, str] = {
            names.KEY: change.key,
            names.OLD: change.old.lower(),
            names.NEW: change.new.lower(),
            names.CAUSE: change.cause.value,
        }
        if change.instance:
            attributes[names.INSTANCE] = change.instance
        span.add_event(names.CHANGED, attributes)
