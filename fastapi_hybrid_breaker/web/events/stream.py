"""The response that sends a feed to one reader."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from starlette.types import Message, Send

    from .feed import Feed

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

SEND_WITHIN: Final = 20.0
"""Seconds that a reader has to take what is sent; then its connection is given up."""


class EventStream(StreamingResponse):
    """A feed's events as ``text/event-stream``, until the reader leaves or is too slow.

    FastAPI writes the events; what it has to send them takes a generator for each reader, whose
    turn would never come while a reader does not take what is sent.

    Args:
        feed: what to send.
        last_event_id: the event after which to go on.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, last_event_id: str | None) -> None:
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # a proxy that collects answers would keep them back
        }
        self._events = feed.read(last_event_id)
        super().__init__(self._events, headers=headers)

    async def stream_response(self, send: Send) -> None:
        """Send the events, each within a time."""

        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(SEND_WITHIN):
                await send(message)

        try:
            await super().stream_response(send_soon)
        except TimeoutError:
            log.warning("a reader of the circuits' events is too slow: its connection is given up")
        finally:
            # At once, and not when the collector of garbage comes to it: it counts as a reader.
            await self._events.aclose()
