"""The customers: a steady stream of requests at each shop, and what they were answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping

RATES: Final[Mapping[str, float]] = {"shop-1": 60.0, "shop-2": 15.0, "shop-3": 15.0}
"""Requests per second. One shop is busier than the others: with even traffic all of them would
count their failures in step, and it would not show who learned of the trip from whom."""

_WORKERS = 3
"""Per shop, so that one slow answer does not stop the stream."""
_OFFER_EVERY = 5
_SPAN = 2.0
"""Seconds over which the rate is taken."""


class Answer(StrEnum):
    """What a customer got."""

    OK = "200"
    FALLBACK = "fallback"  # a 200 as well, but without the number that the upstream knows
    FAILED = "502"
    REJECTED = "503"
    OTHER = "other"  # any other status, or no answer at all


class BucketDelta:
    """The answers of one shop so far, and how many came in a second."""

    def __init__(self) -> None:
        self.counts: Counter[Answer] = Counter()
        self._times: deque[float] = deque()

    def add(self, answer: Answer) -> None:
        """Count an answer that came now."""
        self.counts[answer] += 1
        self._times.append(time.monotonic())

    def rate(self) -> float:
        """Return the answers per second of the last two seconds."""
        start = time.monotonic() - _SPAN
        while self._times and self._times[0] < start:
            self._times.popleft()
        return len(self._times) / _SPAN


def classify(status: int, body: Mapping[str, object] | None) -> Answer:
    """Return what kind of answer a status and a body are."""
    if status == 200 and body is not None:
        return Answer.FALLBACK if body.get("left") is None else Answer.OK
    return {502: Answer.FAILED, 503: Answer.REJECTED}.get(status, Answer.OTHER)


async def visit(client: httpx.AsyncClient, url: str, tally: BucketDelta, rate: float) -> None:
    """Send ``rate`` requests per second to a shop until cancelled."""
    async with asyncio.TaskGroup() as workers:
        for worker in range(_WORKERS):
            workers.create_task(_visit_in_turn(client, url, tally, _WORKERS / rate, worker))


async def _visit_in_turn(
    client: httpx.AsyncClient, url: str, tally: BucketDelta, interval: float, first: int
) -> None:
    due = time.monotonic()
    for number in itertools.count(first):
        page = "offers" if number % _OFFER_EVERY == 0 else "stock"
        try:
            answer = await client.get(f"{url}/{page}/sku-{number % 50}")
            ok = answer.status_code == 200
            tally.add(classify(answer.status_code, answer.json() if ok else None))
        except httpx.HTTPError:
            tally.add(Answer.OTHER)
        # What a slow answer delayed is not made up for: that would be a burst.
        due = max(due + interval, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
