from __future__ import annotations

import asyncio

import httpx
import pytest

from demo_app.traffic import Answer, BucketDelta, classify, visit
from tests.patience import PATIENCE


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, {"left": 7}, Answer.OK),
        (200, {"left": 0}, Answer.OK),
        (200, {"left": None}, Answer.FALLBACK),
        (502, None, Answer.FAILED),
        (503, None, Answer.REJECTED),
        (500, None, Answer.OTHER),
        (404, None, Answer.OTHER),
    ],
)
def test_answers_are_told_apart(
    status: int, body: dict[str, object] | None, answer: Answer
) -> None:
    assert classify(status, body) is answer


async def test_customers_keep_coming_whatever_they_are_answered() -> None:
    enough = asyncio.Event()
    pages: set[str] = set()

    def shop(request: httpx.Request) -> httpx.Response:
        page = request.url.path.split("/")[1]
        pages.add(page)
        if tally.counts.total() >= 30:
            enough.set()
        if tally.counts.total() % 3 == 1:
            raise httpx.ConnectError("nobody there", request=request)
        if page == "stock":
            return httpx.Response(503)
        return httpx.Response(200, json={"left": None})

    tally = BucketDelta()
    async with httpx.AsyncClient(transport=httpx.MockTransport(shop)) as client:
        customers = asyncio.create_task(visit(client, "http://shop", tally, rate=1000.0))
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        customers.cancel()
        with pytest.raises(asyncio.CancelledError):
            await customers

    assert pages == {"stock", "offers"}
    assert set(tally.counts) == {Answer.REJECTED, Answer.FALLBACK, Answer.OTHER}
    assert tally.rate() > 0
