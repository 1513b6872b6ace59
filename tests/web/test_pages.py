"""The list of circuits in pages, and that no request for it holds up the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker, circuit
from fastapi_hybrid_breaker.health import Survey
from fastapi_hybrid_breaker.testing import ManualClock
from fastapi_hybrid_breaker.web.listing import Page, Wanted
from fastapi_hybrid_breaker.web.models import CircuitInfo
from tests import inside
from tests.turns import Turns

from .bench import CONFIG, make_half_open, trip

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 50


class Served:
    def __init__(self, keys: list[str], **options: Any) -> None:
        self.clock = ManualClock()
        self.app = FastAPI()
        self.breaker = HybridBreaker(
            self.app, redis=None, defaults=CONFIG, clock=self.clock, **options
        )
        self.app.include_router(self.breaker.admin_router(auth=None), prefix="/circuits")
        for key in keys:
            self.breaker.circuit(key)
        self.client = TestClient(self.app)

    def page(self, **asked: Any) -> tuple[list[str], str | None, int]:
        # Older releases of httpx leave "%2F" in a parameter as it is.
        page = self.client.get("/circuits?" + urlencode(asked)).json()
        return [one["key"] for one in page["circuits"]], page["next"], page["total"]

    def pages(self, **asked: Any) -> Iterator[list[str]]:
        keys, following, _ = self.page(**asked)
        yield keys
        while following is not None:
            keys, following, _ = self.page(**asked, after=following)
            yield keys


KEYS = [f"host-{number:04}" for number in range(1_203)]


def test_the_list_has_500_circuits_on_a_page_unless_asked_for_others() -> None:
    served = Served(KEYS)
    keys, following, total = served.page()
    assert (keys, following, total) == (KEYS[:500], KEYS[499], len(KEYS))
    keys, following, _ = served.page(limit=1_000)
    assert (keys, following) == (KEYS[:1_000], KEYS[999])
    assert served.page(limit=1) == (KEYS[:1], KEYS[0], len(KEYS))


@pytest.mark.parametrize("limit", [1, 400, 401, 1_000])
def test_the_pages_have_every_circuit_once_in_the_order_of_keys(limit: int) -> None:
    served = Served(KEYS[:401][::-1])
    pages = list(served.pages(limit=limit))
    assert [key for page in pages for key in page] == KEYS[:401]
    assert len(pages) == -(-401 // limit)  # the last one is not empty


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 1_001},
        {"limit": -1},
        {"limit": "many"},
        {"limit": "1_0"},
        {"limit": "+5"},
        {"limit": "5.0"},
        {"limit": "05"},
        {"limit": "\u0665"},
        {"limit": " 5"},
        {"limit": 10**400},
        {"q": "x" * 201},
        {"q": "\u0416" * 201},
        {"after": "k" * 257},
        {"after": "a/../b"},
        {"after": "a\nb"},
        {"state": "AJAR"},
        {"state": ""},
    ],
)
def test_a_parameter_out_of_range_is_refused(asked: dict[str, str | int]) -> None:
    assert Served(KEYS[:3]).client.get("/circuits", params=asked).status_code == 422


def test_texts_and_keys_of_the_greatest_length_are_taken() -> None:
    served = Served(KEYS[:3])
    assert served.page(q="x" * 200) == ([], None, 0)
    assert served.page(q="\u0416" * 200, after="k" * 256) == ([], None, 0)
    assert served.page(q="", after="") == (KEYS[:3], None, 3)


def test_a_page_begins_after_a_key_that_is_gone() -> None:
    served = Served(KEYS[:10], max_circuits=10)
    _, following, _ = served.page(limit=5)
    assert following == KEYS[4]
    del inside.registry_of(served.breaker).by_key[KEYS[4]]  # as if to make room
    assert served.page(after=following)[0] == KEYS[5:10]
    assert served.page(after="host-0004a")[0] == KEYS[5:10]
    assert served.page(after="zzz") == ([], None, 9)


def test_declared_circuits_are_on_the_pages_before_anything_calls_them() -> None:
    served = Served(["b"], circuits={"a": CONFIG, "c": CONFIG, "host:*": CONFIG})
    assert list(served.pages(limit=1)) == [["a"], ["b"], ["c"]]
    assert served.page(state="CLOSED", limit=2) == (["a", "b"], "b", 3)


def test_a_state_and_a_text_choose_circuits_on_all_pages() -> None:
    served = Served([*KEYS[:90], "Orders DB", "orders-cache"])
    half = served.breaker.circuit("orders-cache")
    make_half_open(half, served.clock)
    for key in KEYS[10:40]:
        trip(served.breaker.circuit(key))
    assert served.page(state="OPEN", limit=20) == (KEYS[10:30], KEYS[29], 30)
    assert served.page(state="OPEN", limit=20, after=KEYS[29]) == (KEYS[30:40], None, 30)
    assert served.page(state="HALF_OPEN") == (["orders-cache"], None, 1)
    assert served.page(q="ORDERS") == (["Orders DB", "orders-cache"], None, 2)
    assert served.page(q="db orders") == (["Orders DB"], None, 1)
    assert served.page(q="-001", state="OPEN", limit=4) == (KEYS[10:14], KEYS[13], 10)
    served.clock.advance(CONFIG.recovery_timeout)
    _, _, total = served.page(state="ready_to_probe")
    assert total == 30 + 1
    assert served.page(state="OPEN", q="0012")[0] == ["host-0012"]


def test_a_row_of_the_list_is_what_the_page_of_its_circuit_shows() -> None:
    config = CircuitConfig(failure_threshold=2, recovery_timeout=4.0)
    served = Served([], circuits={"a": CONFIG, "b": config, "c": CONFIG})
    trip(served.breaker.circuit("b"))
    asyncio.run(served.breaker.override("c", "disabled", by="ann", reason="x", seconds=60))
    for row in served.client.get("/circuits").json()["circuits"]:
        shown = served.client.get(f"/circuits/{row['key']}").json()
        assert shown.pop("history") is not None
        assert shown.pop("open_at") == []
        for one in (row, shown):
            one.pop("next_attempt")
        assert row == shown


def test_keys_of_any_kind_follow_each_other() -> None:
    keys = sorted(["a b", "a/b", "a%2Fb", "a+b", "\u0416", "\U0001f600", "&after=z", '"'])
    served = Served(keys)
    assert [key for page in served.pages(limit=1) for key in page] == keys


# -- what others wait for -----------------------------------------------------------------------


async def ask(app: FastAPI, *paths: str) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await asyncio.gather(*(client.get(path) for path in paths))


def test_a_text_of_a_hundred_words_took_a_hundred_times_as_long() -> None:
    class Key(str):
        __slots__ = ("folded",)

        def casefold(self) -> str:
            self.folded = getattr(self, "folded", 0) + 1
            return super().casefold()

    key = Key("\u00df" * 200)
    served = Served([str(key)])
    page = Page(served.breaker, Wanted(None, "\u00df " * 100, "", 10))
    page.look_at(key)
    assert key.folded == 1
    assert b'"total": 1' in page.json()


@pytest.mark.parametrize("asked", ["", "?limit=1000", "?state=OPEN", "?q=none", "?after=host-0600"])
async def test_the_list_holds_up_others_for_50_circuits_at_most(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, turns = Served(KEYS), Turns(monkeypatch)
    for key in KEYS[:600]:
        trip(served.breaker.circuit(key))
    turns.count(Page, "look_at")
    turns.count(CircuitInfo, "model_dump_json", "rows")
    (response,) = await ask(served.app, f"/circuits{asked}")
    assert response.status_code == 200
    assert turns.total("look_at") == len(KEYS)
    assert turns.most("look_at") <= AT_ONCE
    assert turns.most("rows") <= AT_ONCE


async def test_five_lists_at_once_hold_up_a_guarded_route_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served, turns = Served(KEYS), Turns(monkeypatch)
    answered = []

    @served.app.get("/stock", dependencies=[Depends(circuit("stock"))])
    async def stock() -> None:
        answered.append(turns.total("look_at"))

    turns.count(Page, "look_at")
    responses = await ask(served.app, *["/circuits?limit=1000"] * 5, "/stock")
    assert {one.status_code for one in responses} == {200}
    assert turns.total("look_at") >= 5 * len(KEYS)
    assert turns.most("look_at") <= AT_ONCE
    assert answered[0] < len(KEYS)  # before even the first of them was


async def test_a_client_that_gives_up_its_list_leaves_the_turn_to_the_next() -> None:
    served = Served(KEYS)
    first, second = (asyncio.create_task(ask(served.app, "/circuits")) for _ in range(2))
    for _ in range(12):
        await asyncio.sleep(0)
    first.cancel()
    (response,) = await second
    assert response.json()["total"] == len(KEYS)


async def test_circuits_can_be_evicted_while_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = Served(KEYS[:500], max_circuits=500)
    turns = Turns(monkeypatch)
    turns.count(Page, "look_at")
    listing = asyncio.create_task(ask(served.app, "/circuits"))
    while not turns.total("look_at"):
        await asyncio.sleep(0)
    for number in range(100):
        served.breaker.circuit(f"new-{number:03}")
    assert inside.registry_of(served.breaker).overflow is None
    (response,) = await listing
    page = response.json()
    assert page["total"] == len(page["circuits"]) < 500
    keys = [one["key"] for one in page["circuits"]]
    assert keys == sorted(keys)


async def test_health_of_many_circuits_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    served, turns = Served(KEYS), Turns(monkeypatch)
    trip(served.breaker.circuit(KEYS[-1]))
    turns.count(Survey, "look_at")
    (response,) = await ask(served.app, "/circuits/-/health")
    assert response.json()["open"] == [KEYS[-1]]
    assert turns.total("look_at") == len(KEYS)
    assert turns.most("look_at") <= AT_ONCE
