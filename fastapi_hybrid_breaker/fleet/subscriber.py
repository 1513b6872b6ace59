"""The one background task that listens on the channel, and notices a server that hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from .connection import CONNECT_LIMIT, LISTEN, UNREACHABLE, close, only_unreachable, subscribe
from .limit import MOST_PER_LOOK, Limit
from .sender import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from redis.asyncio.client import PubSub

    from .connection import Source

_PING_EVERY: Final = 1.0
_LONGEST_SILENCE: Final = 2.5
"""Seconds. No client library notices a server that hangs: we ask on the same connection, and
give it up when nothing has come for this long (the fleet's rule is within 3 seconds)."""

_LONGEST_WITHOUT_MESSAGE: Final = 15.0
"""Seconds; the fleet sends a tick every five."""

_MESSAGES_IN_A_ROW: Final = 16
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
        self.looked_at: float = float("inf")
        """When it last looked whether a message has come, by the event loop's clock."""

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
        pubsub = None
        try:
            async with Limit(CONNECT_LIMIT, "no subscription"):
                await self._source.look_up()
                pubsub = await subscribe(client, *self._channels)
            await self._receive(pubsub)
        finally:
            if pubsub is not None:
                await close(pubsub)
            await close(client)

    async def _receive(self, pubsub: PubSub) -> None:
        clock = asyncio.get_running_loop().time
        silence = Silence(clock)
        in_a_row = 0
        while True:
            self.looked_at = clock()
            with only_unreachable():
                async with Limit(self._source.longest_look, "no look at the subscription"):
                    message = await pubsub.get_message(timeout=LISTEN)
            silence.note(message)
            if message is not None:
                if message["type"] == "message":
                    if (heard := self._hearers.get(message["channel"])) is not None:
                        heard(message["data"])
                elif message["type"] == "subscribe" and message["data"] == len(self._hearers):
                    # The last of the channels.
                    self._backoff.reset()
                    self._subscribed()
                in_a_row += 1
                if in_a_row >= _MESSAGES_IN_A_ROW:
                    in_a_row = 0
                    await asyncio.sleep(0)
            if silence.is_time_to_ask():
                with only_unreachable():
                    async with Limit(self._source.longest_look, "no way to send"):
                        await pubsub.ping()


class Silence:
    """For how long nothing has been heard, in time in which somebody has listened.

    When a look came late, since this process's own event loop stood still, what has arrived
    meanwhile is still to be read: such a look counts little, and the next one decides.

    Args:
        clock: seconds of the event loop.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looked = self._asked = clock()
        self._quiet = 0.0
        self._without_message = 0.0

    def note(self, message: Mapping[str, Any] | None) -> None:
        """Apply what a look has found.

        Raises:
            TimeoutError: nothing for too long.
        """
        now = self._clock()
        seconds = min(now - self._looked, MOST_PER_LOOK)
        self._looked = now
        self._quiet += seconds
        self._without_message += seconds
        if message is not None:
            self._quiet = 0.0
            if message["type"] == "message":
                self._without_message = 0.0
        elif self._quiet > _LONGEST_SILENCE:
            raise TimeoutError(f"nothing heard for {_LONGEST_SILENCE} seconds")
        elif self._without_message > _LONGEST_WITHOUT_MESSAGE:
            # PING is answered, and yet not even the ticks come: cut off from the others.
            raise TimeoutError(f"no message for {_LONGEST_WITHOUT_MESSAGE:.0f} seconds")

    def is_time_to_ask(self) -> bool:
        """Whether to send a PING now, which counts as sent."""
        if self._looked - self._asked < _PING_EVERY:
            return False
        self._asked = self._looked
        return True
