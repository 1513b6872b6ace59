"""Long work on an event loop, with turns for others in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

T = TypeVar("T")

AT_ONCE: Final = 50
"""Circuits that are looked at before others have their turn."""


async def in_turns(things: Iterable[T]) -> AsyncIterator[T]:
    """Yield one thing after the other; after some of them others have their turn on the loop.

    Give it keys, not circuits: as long as a circuit is held it cannot be evicted.
    """
    for number, thing in enumerate(things, 1):
        yield thing
        if number % AT_ONCE == 0:
            await anyio.lowlevel.checkpoint()
