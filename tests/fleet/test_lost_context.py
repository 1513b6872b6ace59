"""Two processes that share circuits, and routes whose guarded calls lose their context."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.lengths import slowly
from tests.patience import PATIENCE
from tests.web.servers import eventually, request, uvicorn_serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server

APP = "tests.web.served_lost_context:app"


@pytest.fixture(params=["1", *slowly("2")])
def fleet(
    server: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[list[str]]:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)
    monkeypatch.setenv("SUCCESS_THRESHOLD", request.param)
    with ExitStack() as stack:
        ports = [stack.enter_context(uvicorn_serving(APP)) for _ in range(2)]
        bases = [f"http://127.0.0.1:{port}" for port in ports]
        for base in bases:
            eventually(lambda base=base: shown(base)["sync"] == "connected")  # type: ignore[misc]
        yield bases


def shown(base: str) -> dict[str, object]:
    answer: dict[str, object] = request("GET", f"{base}/-/circuit").json()
    return answer


async def burst(bases: list[str], path: str) -> Counter[int]:
    """Send ten requests at once, each on a connection of its own, to the processes in turn."""
    async with httpx2.AsyncClient(timeout=PATIENCE, verify=False) as client:
        asked = (client.get(bases[i % len(bases)] + path) for i in range(10))
        return Counter(answer.status_code for answer in await asyncio.gather(*asked))


async def test_processes_serve_again_although_calls_lose_their_context(fleet: list[str]) -> None:
    loop = asyncio.get_running_loop()
    for path in ("/route/executor", "/route/worker", "/held/route-last"):
        request("POST", f"{fleet[0]}/-/half-open").raise_for_status()
        eventually(lambda: {shown(base)["state"] for base in fleet} == {"OPEN"})
        served: Counter[int] = Counter()
        deadline = loop.time() + PATIENCE
        while {shown(base)["state"] for base in fleet} != {"CLOSED"}:
            served += await burst(fleet, path)
            assert loop.time() < deadline, f"half-open for ever: {served}"
        assert await burst(fleet, path) == {200: 10}
