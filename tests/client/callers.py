"""One way to call for tests, whichever library and whichever half of it does the calling."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import ModuleType


class Caller(Protocol):
    """A client of httpx or httpx2, sync or async."""

    client: Any

    async def get(self, url: str, **options: Any) -> Any:
        """Send a request (a GET unless ``method`` says else) and read the whole response."""

    async def send(self, request: Any) -> Any:
        """Send a request made elsewhere and read the whole response."""

    async def look(self, url: str, *, chunks: int, **options: Any) -> Any:
        """Open a response, read so many chunks of its body, and leave it."""

    async def close(self) -> None:
        """Close the client."""


class AsyncCaller:
    def __init__(self, http: ModuleType, transport: Any, **options: Any) -> None:
        self.client: Any = http.AsyncClient(transport=transport, trust_env=False, **options)

    async def get(self, url: str, method: str = "GET", **options: Any) -> Any:
        return await self.client.request(method, url, **options)

    async def send(self, request: Any) -> Any:
        return await self.client.send(request)

    async def look(self, url: str, *, chunks: int, method: str = "GET", **options: Any) -> Any:
        async with self.client.stream(method, url, **options) as response:
            if chunks:
                reader = response.aiter_raw()
                for _ in range(chunks):
                    await anext(reader)
                await reader.aclose()
        return response

    async def close(self) -> None:
        await self.client.aclose()


class SyncCaller:
    """The sync client runs in a thread: the event loop goes on."""

    def __init__(self, http: ModuleType, transport: Any, **options: Any) -> None:
        self.client: Any = http.Client(transport=transport, trust_env=False, **options)

    async def get(self, url: str, method: str = "GET", **options: Any) -> Any:
        return await asyncio.to_thread(self.client.request, method, url, **options)

    async def send(self, request: Any) -> Any:
        return await asyncio.to_thread(self.client.send, request)

    async def look(self, url: str, *, chunks: int, method: str = "GET", **options: Any) -> Any:
        def look() -> Any:
            with self.client.stream(method, url, **options) as response:
                if chunks:
                    reader = response.iter_raw()
                    for _ in range(chunks):
                        next(reader)
                    reader.close()
            return response

        return await asyncio.to_thread(look)

    async def close(self) -> None:
        await asyncio.to_thread(self.client.close)
