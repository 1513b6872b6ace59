"""Pages of other origins change no circuit, whatever cookies the browser sends along."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_hybrid_breaker import HybridBreaker

WRITES = [
    ("DELETE", "/circuits/inventory-api"),
    ("PUT", "/circuits/inventory-api/-/override"),
    ("DELETE", "/circuits/inventory-api/-/override"),
]
ORDER = {"kind": "forced_open", "reason": "a migration", "seconds": 60, "by": "ann"}


async def send(method: str, path: str, **headers: str) -> tuple[int, HybridBreaker]:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None)
    app.include_router(breaker.admin_router(auth=None), prefix="/circuits")
    transport = httpx2.ASGITransport(app)
    names = {name.replace("_", "-"): value.encode("latin-1") for name, value in headers.items()}
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        json = ORDER if method == "PUT" else None
        answer = await client.request(method, path, headers=names, json=json)
    return answer.status_code, breaker


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "strange"},
        {"Sec_Fetch_Site": "cross-site", "Origin": "http://test"},
        {"Origin": "http://elsewhere"},
        {"Origin": "null"},
        {"Origin": "http://test:81"},
        {"Origin": "http://["},
        {"Origin": "http://[::1"},
        {"Origin": "http://test]"},
        {"Origin": "http://test/"},
        {"Origin": "http://ann@test"},
        {"Origin": "//test"},
        {"Origin": "test"},
        {"Origin": ""},
        {"Origin": "http://"},
        {"Origin": "http://", "Host": ""},
        {"Origin": "http://test\u00e9"},
        {"Origin": "http://test, http://test"},
        {"Origin": "http://elsewhere", "Host": "["},
    ],
)
async def test_a_page_of_another_origin_is_refused(
    method: str, path: str, headers: dict[str, str]
) -> None:
    status, breaker = await send(method, path, **headers)
    assert status == 403
    assert breaker.stats("inventory-api").override is None


@pytest.mark.parametrize(("method", "path"), WRITES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://behind-a-proxy"},
        {"Origin": "http://test"},
        {"Origin": "HTTP://Test"},
        {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
        {"Origin": "http://test", "Referer": "http://["},
    ],
)
async def test_its_own_pages_and_programs_are_not(
    method: str, path: str, headers: dict[str, str]
) -> None:
    assert (await send(method, path, **headers))[0] == 204


async def test_reading_is_nobodys_harm() -> None:
    assert (await send("GET", "/circuits", Sec_Fetch_Site="cross-site"))[0] == 200
