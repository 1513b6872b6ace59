"""Requests without a pause, and what each of them may end with."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx2

from tests.patience import PATIENCE

from .upstreams import SHAKY, STEADY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

CLIENTS = 6
WAYS = ("transport", "execute", "guard", "route")
DYING = 1.0
"""Seconds after a worker was killed in which a client may still use its connection to it."""


def judge(name: str, status: int, body: Any) -> str | None:
    """Return why a request ended as it did, or None: for no reason that is allowed."""
    if status == 200:
        return "answered"
    if name == SHAKY and status == 502 and "upstream" in body:
        return f"the upstream failed ({body['upstream']})"
    if name == SHAKY and status == 503 and body.get("circuit") == SHAKY:
        return "the circuit was open"
    return None


class Load:
    """Clients of the service; ``run`` ends when it is cancelled.

    Args:
        url: where the service is.
        deaths: when workers were killed (monotonic seconds), written by whoever kills them.
        random: decides what is requested.
    """

    def __init__(self, url: str, deaths: Sequence[float], random: Random) -> None:
        self._url = url
        self._deaths = deaths
        self._random = random
        self.ends: Counter[str] = Counter()
        self.times: list[float] = []
        self.wrong: list[str] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._request_on_and_on())

    async def _request_on_and_on(self) -> None:
        while True:
            # Not for ever on the same connections: workers that came late would get no requests.
            async with httpx2.AsyncClient(
                base_url=self._url, timeout=PATIENCE, verify=False
            ) as client:
                for _ in range(self._random.randint(1, 60)):
                    name, way = self._random.choice((SHAKY, STEADY)), self._random.choice(WAYS)
                    await self._request(client, f"/{way}/{name}", name)
                    await asyncio.sleep(self._random.uniform(0.0, 0.02))

    async def _request(self, client: httpx2.AsyncClient, path: str, name: str) -> None:
        began = time.monotonic()
        try:
            answer = await client.get(path)
        except httpx2.TransportError as error:
            self._broke_off(path, began, error)
            return
        took = time.monotonic() - began
        self.times.append(took)
        end = judge(name, answer.status_code, answer.json() if answer.status_code != 500 else "")
        if end is None:
            self.wrong.append(f"GET {path}: {answer.status_code} {answer.text[:300]}")
        self.ends[end or "wrong"] += 1

    def _broke_off(self, path: str, began: float, error: Exception) -> None:
        ended = time.monotonic()
        if any(began - DYING <= death <= ended for death in self._deaths):
            self.ends["its worker was killed"] += 1
        else:
            self.ends["wrong"] += 1
            self.wrong.append(f"GET {path}: {error!r} after {ended - began:.3f} s")
