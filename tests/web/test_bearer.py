"""The ready bearer token, as the admin router asks it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_hybrid_breaker import HybridBreaker, bearer_token

NEW, OLD = "a-new-secret-of-24-chars", "an-old-secret-of-25-chars"


def client(**headers: str) -> httpx2.AsyncClient:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None)
    app.include_router(breaker.admin_router(auth=bearer_token(NEW, OLD)), prefix="/circuits")
    transport = httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@pytest.mark.parametrize("shown", [f"Bearer {NEW}", f"bearer {OLD}", f"BEARER {NEW}"])
async def test_each_secret_lets_in(shown: str) -> None:
    async with client(Authorization=shown) as asking:
        assert (await asking.get("/circuits")).status_code == 200
        assert (await asking.delete("/circuits/inventory-api")).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": NEW},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {NEW}"},
        {"Authorization": f"Bearer {NEW[:-1]}"},
        {"Authorization": f"Bearer {NEW}x"},
        {"Authorization": f"Bearer {NEW} {OLD}"},
        {"Authorization": "Bearer \xe9\xe9"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_anything_else_does_not(headers: dict[str, str], method: str) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    paths = {"PUT": "/circuits/a/-/override", "DELETE": "/circuits/a", "GET": "/circuits"}
    async with client() as asking:
        answer = await asking.request(method, paths[method], headers=encoded)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ((), "one secret at least"),
        (("short",), "secret 1 must be 16 or more printable ASCII characters.*; it has 5"),
        ((NEW, "with spaces in between it"), "secret 2 must be 16 or more"),
        ((NEW + "\xe9",), "secret 1"),
        ((NEW + "\n",), "secret 1"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(secrets: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        bearer_token(*secrets)
    assert not any(one in str(caught.value) for one in secrets)


def test_a_secret_that_is_no_text_is_refused() -> None:
    secret: Any = b"a-new-secret-of-24-chars"
    with pytest.raises(TypeError, match="secret 1 must be a text, not bytes"):
        bearer_token(secret)
