"""The services as an onlooker sees them: by their own HTTP pages, asked again and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

from .traffic import BucketDelta
from .waves import Change

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAUSE = 0.1
"""Seconds between two looks."""
UNKNOWN = "?"
KEY = "inventory-api"


class ShopView:
    """One shop as last seen."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.state = UNKNOWN
        self.retry_after = 0.0
        self.sync = UNKNOWN
        self.sync_since = 0.0
        self.sent = 0
        self.changes: Sequence[Change] = ()
        self.tally = BucketDelta()

    async def look(self, client: httpx.AsyncClient) -> None:
        """Read the admin page and the changes; a shop that does not answer is unknown."""
        try:
            page = (await client.get(f"{self.url}/circuits")).raise_for_status().json()
            changes = (await client.get(f"{self.url}/-/changes")).raise_for_status().json()
        except httpx.HTTPError:
            self.state = self.sync = UNKNOWN
            return
        seen = next((one for one in page["circuits"] if one["key"] == KEY), None)
        self.state = seen["state"] if seen else UNKNOWN
        self.retry_after = seen["retry_after"] if seen else 0.0
        self.sync = page["sync"]["state"]
        self.sync_since = page["sync"]["since"]
        self.sent = page["sync"]["sent"]
        self.changes = [
            Change(one["at"], one["old"], one["new"], one["cause"])
            for one in changes
            if one["key"] == KEY
        ]


class UpstreamView:
    """The upstream as last seen, and its switch."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url
        self._client = client
        self.broken = False
        self.calls = 0
        self.answers = False

    async def look(self) -> int:
        """Read the condition; gives the number of calls so far."""
        try:
            self._take(await self._client.get(f"{self.url}/-/condition"))
        except httpx.HTTPError:
            self.answers = False
        return self.calls

    async def break_down(self) -> None:
        """Make it answer 500 from now on."""
        self._take(await self._client.post(f"{self.url}/-/break"))

    async def heal(self) -> None:
        """Make it answer properly from now on."""
        self._take(await self._client.post(f"{self.url}/-/heal"))

    def _take(self, answer: httpx.Response) -> None:
        seen = answer.raise_for_status().json()
        self.broken, self.calls, self.answers = seen["broken"], seen["calls"], True


async def keep_looking(
    shops: Sequence[ShopView], upstream: UpstreamView, client: httpx.AsyncClient
) -> None:
    """Look at everything ten times a second until cancelled."""
    while True:
        await asyncio.gather(upstream.look(), *(shop.look(client) for shop in shops))
        await asyncio.sleep(_PAUSE)
