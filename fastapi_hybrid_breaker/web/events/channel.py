"""One run of events, and its readers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Final

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from .pieces import Pieces
from .ring import Ring

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

PING_EVERY: Final = 10.0
"""Seconds without an event after which a reader is sent a comment: the connection works."""

SNAPSHOT_FOR: Final = 1.0
"""Seconds for which a snapshot is given to others who come: all come at once after a restart."""


class Channel:
    """Events that are written once and read by any number of readers, each at its own pace."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)  # positions in another run mean nothing
        self._ring = Ring()
        self._shown = self._ring.end  # readers have been woken for all events before it
        self._snapshot = Pieces(())
        self._snapshot_of = (0, 0.0)  # the event before which it was made, and when
        self._readers = 0
        self._left_at = time.monotonic()
        self._is_open = asyncio.Event()
        self._added = asyncio.Event()
        self.is_closed: bool = False

    # -- writing ----------------------------------------------------------------------------

    def open(self) -> None:
        """Let readers begin: a snapshot can be had."""
        self._is_open.set()

    def add(self, event: str, text: str) -> None:
        """Write an event; readers see it at the next ``wake``."""
        self._ring.add(self._format(event, text, self._ring.end))

    def wake(self) -> None:
        """Wake the readers, if anything was written since the last time."""
        if self._shown == self._ring.end:
            return
        self._shown = self._ring.end
        waiting, self._added = self._added, asyncio.Event()
        waiting.set()

    def begin_anew(self) -> None:
        """Make all readers come again for a snapshot: events may have been lost."""
        self._ring.forget()
        self.wake()

    def close(self) -> None:
        """End all readers."""
        self.is_closed = True
        self._ring.forget()
        self._snapshot = Pieces(())
        self._is_open.set()
        self.wake()

    def idle_for(self) -> float:
        """Seconds since the last reader left; 0.0 while there are some."""
        return 0.0 if self._readers else time.monotonic() - self._left_at

    # -- reading ----------------------------------------------------------------------------

    async def read(
        self, last_event_id: str | None, snapshot: Callable[[], Iterable[str]]
    ) -> AsyncGenerator[bytes]:
        """Iterate over the events after ``last_event_id``, or over a snapshot where those are gone.

        ``snapshot`` returns its text in pieces: one is made and sent before others have their turn
        on the loop. Ends when the reader has fallen too far behind, or the channel is closed.
        """
        self._readers += 1
        try:
            await self._is_open.wait()
            position = self._position_after(last_event_id)
            if position is None and not self.is_closed:
                position = self._ring.end
                pieces, number = self._snapshot_before(position, snapshot), 0
                while (piece := pieces.at(number)) and not self._is_over():
                    yield piece
                    number += 1
                    await asyncio.sleep(0)
            clock = asyncio.get_running_loop().time
            ping_at = clock() + PING_EVERY
            while position is not None and self._ring.holds(position) and not self._is_over():
                if position < self._ring.end:
                    chunk, position = self._ring.read(position)
                elif clock() < ping_at:
                    await self._wait_until(ping_at)
                    continue
                else:
                    chunk = KEEPALIVE_COMMENT
                yield chunk
                ping_at = clock() + PING_EVERY
        finally:
            self._readers -= 1
            self._left_at = time.monotonic()

    def _is_over(self) -> bool:
        """Whether it has been closed, perhaps since it was last asked."""
        return self.is_closed

    def _snapshot_before(self, position: int, make: Callable[[], Iterable[str]]) -> Pieces:
        now = time.monotonic()
        made_before, made_at = self._snapshot_of
        if made_before != position or now - made_at > SNAPSHOT_FOR:
            # Numbered as what came before it: who has it goes on with what comes next.
            self._snapshot = Pieces(self._format_in_pieces("snapshot", make(), position - 1))
            self._snapshot_of = position, now
        return self._snapshot

    def _format_in_pieces(self, event: str, texts: Iterable[str], number: int) -> Iterator[str]:
        """Write an event as ``_format`` does; there is no line break in its texts."""
        held = f"event: {event}\ndata: "
        for at, text in enumerate(texts):
            if at:
                yield held
                held = ""
            held += text
        yield f"{held}\nid: {self._name}-{number}\n\n"

    async def _wait_until(self, ping_at: float) -> None:
        """Wait for events, until the reader is to be sent something whether or not any come."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(ping_at):
                await self._added.wait()

    def _position_after(self, last_event_id: str | None) -> int | None:
        name, _, number = (last_event_id or "").partition("-")
        if name != self._name or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        position = int(number) + 1
        return position if self._ring.holds(position) else None

    def _format(self, event: str, text: str, number: int) -> bytes:
        return format_sse_event(event=event, data_str=text, id=f"{self._name}-{number}")
