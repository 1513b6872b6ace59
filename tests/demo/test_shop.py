"""The shop as started by hand: ``uvicorn demo_app.shop:app``, without Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from demo_app.cast import FAILURE_THRESHOLD, Cast
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cast() -> Iterator[Cast]:
    with Cast(redis_url="") as cast:
        cast.upstream.start()
        cast.shops["shop-1"].start()
        deadline = time.monotonic() + PATIENCE
        for url in (cast.upstream_url, cast.shop_urls["shop-1"]):
            while not _is_healthy(url):
                assert time.monotonic() < deadline, cast.last_words()
                time.sleep(0.02)
        yield cast


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/health", trust_env=False, timeout=PATIENCE).json() == {
            "status": "ok"
        }
    except httpx.ConnectError:
        return False


def test_the_shop_protects_itself_alone_when_there_is_no_redis(cast: Cast) -> None:
    upstream, shop = cast.upstream_url, cast.shop_urls["shop-1"]
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:

        def calls() -> int:
            return int(client.get(f"{upstream}/-/condition").json()["calls"])

        page = client.get(f"{shop}/circuits").json()
        assert page["sync"]["state"] == "disabled"
        stock = client.get(f"{shop}/stock/apple")
        assert stock.status_code == 200
        assert client.get(f"{shop}/offers/apple").json() == stock.json()

        client.post(f"{upstream}/-/break")
        for _ in range(FAILURE_THRESHOLD):
            assert client.get(f"{shop}/stock/apple").status_code == 502
        so_far = calls()
        rejected = client.get(f"{shop}/stock/apple")
        assert rejected.status_code == 503
        assert int(rejected.headers["Retry-After"]) >= 1
        assert rejected.headers["Content-Type"] == "application/problem+json"
        offer = client.get(f"{shop}/offers/apple")
        assert (offer.status_code, offer.json()) == (200, {"sku": "apple", "left": None})
        assert calls() == so_far == 2 + FAILURE_THRESHOLD

        client.post(f"{upstream}/-/heal")
        assert client.delete(f"{shop}/circuits/inventory-api").status_code == 204
        assert client.get(f"{shop}/stock/apple").json() == stock.json()

        changes = client.get(f"{shop}/-/changes").json()
        assert [(one["new"], one["cause"]) for one in changes] == [
            ("OPEN", "failures"),
            ("CLOSED", "reset"),
        ]


def test_a_name_of_goods_cannot_smuggle_parameters_upstream(cast: Cast) -> None:
    shop = cast.shop_urls["shop-1"]
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        answer = client.get(f"{shop}/stock/a%26sku%3Db%3F%23")
        assert answer.json()["sku"] == "a&sku=b?#"
        plain = client.get(f"{cast.upstream_url}/stock", params={"sku": "a&sku=b?#"}).json()
        assert answer.json()["left"] == plain["left"]
