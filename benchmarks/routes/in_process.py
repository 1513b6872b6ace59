"""Requests handed to the application as a server hands them, without any server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.rounds import measure

from .apps import FACTORIES, FASTAPI_CB, PATH, UNGUARDED

if TYPE_CHECKING:
    from fastapi import FastAPI

    from benchmarks.parts import Figures, Order
    from benchmarks.rounds import Loop

_ROUNDS = 150
_SLICE = 0.006


async def time_requests(order: Order) -> Figures:
    """Return the time per request of each way to guard; ratios to the unguarded route."""
    has_cb = any(peer.name == FASTAPI_CB for peer in order.peers)
    loops = {
        name: requests(make()) for name, make in FACTORIES.items() if name != FASTAPI_CB or has_cb
    }
    found = await measure(loops, rounds=order.rounds(_ROUNDS), slice_seconds=_SLICE)
    return {name: one.describe(found[UNGUARDED]) for name, one in found.items()}


def requests(app: FastAPI) -> Loop:
    """Return the loop that sends requests to ``app``; a status other than 200 is an error."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(f"the route answered {message['status']}")

    async def loop(calls: int) -> None:
        for _ in range(calls):
            await app(scope.copy(), receive, send)

    return loop
