"""Where readers of a breaker's events come to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .broadcast import Broadcast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fastapi_hybrid_breaker.breaker import Breaker


class Feed:
    """The events of a breaker: they are gathered only while somebody reads them.

    Args:
        breaker: whose circuits they are about.
    """

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker
        self._broadcast: Broadcast | None = None

    def read(self, last_event_id: str | None = None) -> AsyncGenerator[bytes]:
        """Return the events as they are sent; see ``Channel.read``. Needs a running event loop."""
        broadcast = self._broadcast
        if (
            broadcast is None
            or broadcast.channel.is_closed
            or broadcast.loop is not asyncio.get_running_loop()
        ):
            broadcast = self._broadcast = Broadcast(self._breaker)
        return broadcast.channel.read(last_event_id, broadcast.snapshot)
