"""What the requests go to: a server of its own process, and an answer without any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SMALL = b'{"sku":"42"}'
PIECE = b"x" * 1024
PIECES = 64


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer ``/streamed`` in pieces, and everything else with a few bytes; for uvicorn."""
    if scope["type"] != "http":
        return
    await receive()
    pieces = [PIECE] * PIECES if scope["path"] == "/streamed" else [SMALL]
    headers = [(b"content-type", b"application/json")]
    if len(pieces) == 1:
        headers.append((b"content-length", str(len(SMALL)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def mock(library: Any) -> Any:
    """Return a transport of httpx or httpx2 that answers the same without a server."""

    class Pieces(library.AsyncByteStream):  # type: ignore[misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(PIECES):
                yield PIECE

    async def answer(request: Any) -> Any:
        if request.url.path == "/streamed":
            return library.Response(200, stream=Pieces())
        return library.Response(200, content=SMALL)

    return library.MockTransport(answer)
