"""The last events, for whoever reads them now or comes back. No I/O."""

from __future__ import annotations

from collections import deque
from typing import Final

MOST: Final = 5_000
LARGEST: Final = 8 * 1024 * 1024
"""Events, and bytes of them, that are kept: what all readers together can take of memory."""


class Ring:
    """Numbered events, the oldest of which give way.

    Readers keep a position each, the number of the next event that they want. So it does not
    matter to anybody else how slow a reader is, or how many there are.
    """

    def __init__(self, most: int = MOST, largest: int = LARGEST) -> None:
        self._most = most
        self._largest = largest
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self.end: int = 1
        """The number of the event that comes next."""

    @property
    def first(self) -> int:
        """The number of the oldest event that is kept."""
        return self.end - len(self._events)

    def add(self, event: bytes) -> None:
        """Keep an event; its number is what ``end`` was."""
        self._events.append(event)
        self._bytes += len(event)
        self.end += 1
        while len(self._events) > self._most or (
            self._bytes > self._largest and len(self._events) > 1
        ):
            self._bytes -= len(self._events.popleft())

    def forget(self) -> None:
        """Drop all that is kept: whoever has not read it is to begin anew."""
        self._events.clear()
        self._bytes = 0
        self.end += 1

    def holds(self, position: int) -> bool:
        """Return whether somebody who has read all before ``position`` can go on there."""
        return self.first <= position <= self.end

    def read(self, position: int, most_bytes: int = 64 * 1024) -> tuple[bytes, int]:
        """Return events from ``position`` on, at least one, few bytes, and the next position.

        ``position`` must be one that it holds, before the end.
        """
        index = position - self.first
        chunks: list[bytes] = []
        size = 0
        while index < len(self._events) and size < most_bytes:
            chunks.append(self._events[index])
            size += len(chunks[-1])
            index += 1
        return b"".join(chunks), self.first + index
