"""A long text that is made and sent in pieces. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pieces:
    """Makes each piece when the first reader wants it, and keeps it for the others.

    Args:
        texts: the pieces; no more of them are taken than were asked for.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter(texts)
        self._made: list[bytes] = []

    def at(self, number: int) -> bytes | None:
        """Return a piece, None beyond the last; ``number`` is one that was made, or the next."""
        if number == len(self._made) and (text := next(self._texts, None)) is not None:
            self._made.append(text.encode())
        return self._made[number] if number < len(self._made) else None
