"""What the demo wants to know of a shop beyond the admin pages: when its circuits changed."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from fastapi import APIRouter

if TYPE_CHECKING:
    from fastapi_hybrid_breaker import HybridBreaker, StateChange

_REMEMBERED = 1000


def record_changes(breaker: HybridBreaker) -> APIRouter:
    """Make the router that shows the latest changes, ``/changes``, and that all is well.

    Each change carries the monotonic clock's nanoseconds: all processes of one machine read the
    same clock, and unlike wall time it never steps, so differences between processes hold.
    """
    router = APIRouter(include_in_schema=False)
    changes: deque[dict[str, str | int]] = deque(maxlen=_REMEMBERED)

    def note(change: StateChange) -> None:
        changes.append(
            {
                "at": time.monotonic_ns(),
                "key": change.key,
                "old": change.old,
                "new": change.new,
                "cause": change.cause,
            }
        )

    breaker.on_change(note)

    @router.get("/changes")
    async def list_changes() -> list[dict[str, str | int]]:
        return list(changes)

    @router.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return router
