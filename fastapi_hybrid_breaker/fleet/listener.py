"""The one background task that listens on the channel, and notices a server that hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from .connection import UNREACHABLE, subscribe
from .lane import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from .connection import Source

_LISTEN: Final = 0.25
"""Seconds of one look at the connection."""

_PING_EVERY: Final = 1.0
_LONGEST_SILENCE: Final = 2.5
"""Seconds. No client library notices a server that hangs: we ask on the same connection, and
give it up when nothing has come for this long (the fleet's rule is within 3 seconds)."""

_LONGEST_WITHOUT_MESSAGE: Final = 15.0
"""Seconds; the fleet sends a tick every five."""

_MESSAGES_IN_A_ROW: Final = 64
"""Messages that were waiting already are read without a pause; others' tasks come in between."""


class Listener:
    """Hands each message to the one who hears its channel, until cancelled.

    ``subscribed`` is called after each subscription: messages were missed before it. ``failed``
    is called with what went wrong.
    """

    def __init__(
        self,
        source: Source,
        hearers: Mapping[str, Callable[[Any], None]],
        *,
        random: Random,
        subscribed: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._source = source
        self._channels = tuple(hearers)
        self._hearers = {channel.encode(): heard for channel, heard in hearers.items()}
        self._subscribed = subscribed
        self._failed = failed
        self._backoff = Backoff(random)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except UNREACHABLE as error:
                self._failed(error)
                await self._backoff.wait()

    async def _listen(self) -> None:
        client = self._source.client()
        try:
            async with await subscribe(client, *self._channels) as pubsub:
                await self._receive(pubsub)
        finally:
            await client.aclose()

    async def _receive(self, pubsub: Any) -> None:
        loop = asyncio.get_running_loop()
        last = asked = ticked = loop.time()
        in_a_row = 0
        while True:
            message = await pubsub.get_message(timeout=_LISTEN)
            now = loop.time()
            if message is not None:
                last = now
                if message["type"] == "message":
                    ticked = now
                    self._hearers[message["channel"]](message["data"])
                elif message["type"] == "subscribe" and message["data"] == len(self._hearers):
                    # The last of the channels.
                    self._backoff.reset()
                    self._subscribed()
                in_a_row += 1
                if in_a_row >= _MESSAGES_IN_A_ROW:
                    in_a_row = 0
                    await asyncio.sleep(0)
            elif now - last > _LONGEST_SILENCE:
                raise TimeoutError(f"nothing heard for {_LONGEST_SILENCE} seconds")
            elif now - ticked > _LONGEST_WITHOUT_MESSAGE:
                # PING is answered, and yet not even the ticks come: cut off from the others.
                raise TimeoutError(f"no message for {_LONGEST_WITHOUT_MESSAGE:.0f} seconds")
            if now - asked >= _PING_EVERY:
                asked = now
                await pubsub.ping()
