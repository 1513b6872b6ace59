"""How the tests reach what is inside of a channel of events: what moves is mended here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from fastapi_hybrid_breaker.web.events.channel import Channel


def keep_at_most(channel: Channel, events: int) -> None:
    """Make the channel forget all events but so many."""
    channel._ring._most = events


def keep_at_most_characters(channel: Channel, characters: int) -> None:
    channel._ring._largest = characters


def characters_in(channel: Channel) -> int:
    return sum(map(len, channel._ring._events))


def readers_of(channel: Channel) -> int:
    return channel._readers


def wakes_readers(channel: Channel) -> asyncio.Event:
    """Return what readers wait for."""
    return channel._added
