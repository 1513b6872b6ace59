"""A reader of the events, as a browser would be one."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: Any


class Reader:
    """The events of one connection."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.pings = 0

    async def next(self) -> Event:
        """Return the next event; raises StopAsyncIteration where the stream has ended."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and fields:
                return Event(fields["event"], fields["id"], json.loads(fields["data"]))
            if line.startswith(":"):
                self.pings += 1
            elif line:
                name, _, value = line.partition(": ")
                assert name not in fields, "an event of several lines"
                fields[name] = value
        raise StopAsyncIteration

    async def until(self, name: str, **wanted: Any) -> Event:
        """Return the next event of that name whose circuit, or itself, is as wanted."""
        while True:
            event = await self.next()
            said = event.data.get("circuit", event.data)
            if event.name == name and all(said.get(key) == wanted[key] for key in wanted):
                return event


@asynccontextmanager
async def reading(
    port: int, last_event_id: str | None = None, path: str = "/circuits/-/events"
) -> AsyncIterator[Reader]:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with (
        # verify=False: plain HTTP needs no certificates, and each client takes 20 ms to load them.
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, verify=False
        ) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        assert response.status_code == 200, response
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Reader(response.aiter_lines())
