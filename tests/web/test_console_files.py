"""The paths of the console: its files, their headers, and that they are all there is."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI, HTTPException
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import HybridBreaker

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "/circuits/-/console"

FOLDER = files("fastapi_hybrid_breaker.web.console")
NAMES = sorted(
    path.name for path in FOLDER.iterdir() if path.name.endswith((".js", ".css", ".svg"))
)


async def refuse() -> None:
    raise HTTPException(401)


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None)
    app.include_router(breaker.admin_router(auth=refuse), prefix="/circuits")
    with TestClient(app) as client:
        yield client


def test_the_page_and_its_files_are_had_without_auth_and_nothing_else_is(
    client: TestClient,
) -> None:
    assert client.get(PAGE).headers["content-type"] == "text/html; charset=utf-8"
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert len(NAMES) > 20
    for name in NAMES:
        answer = client.get(f"{PAGE}/{name}")
        assert answer.status_code == 200
        kind = answer.headers["content-type"].removesuffix("; charset=utf-8")
        assert kind == kinds[name.rpartition(".")[2]]
        assert answer.content == (FOLDER / name).read_bytes()
    for path in ("/circuits", "/circuits/-/events", "/circuits/-/fleet", "/circuits/x"):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    "name", ["index.html", "nothing.js", "__init__.py", "..%2Fadmin.py", "%2e%2e", "a%2Fb.js"]
)
def test_no_other_names_are_served(client: TestClient, name: str) -> None:
    assert client.get(f"{PAGE}/{name}").status_code in {401, 404}


def test_a_slash_too_many_leads_to_the_page(client: TestClient) -> None:
    answer = client.get(PAGE + "/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, "../console")
    assert client.get(PAGE + "/").status_code == 200


@pytest.mark.parametrize("path", [PAGE, PAGE + "/main.js", PAGE + "/", PAGE + "/nothing.js"])
def test_all_answers_say_what_a_browser_may_do_with_them(client: TestClient, path: str) -> None:
    headers = client.get(path, follow_redirects=False).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-cache"


def test_what_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    first = client.get(PAGE + "/main.js")
    for known in (first.headers["etag"], f'"x", W/{first.headers["etag"]}'):
        again = client.get(PAGE + "/main.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert "content-security-policy" in again.headers
    assert client.get(PAGE + "/main.js", headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_files_name_each_other_and_no_other_host() -> None:
    page = (FOLDER / "index.html").read_text("utf-8")
    used = set(re.findall(r'(?:src|href)="console/([^"]+)"', page))
    for name in NAMES:
        text = (FOLDER / name).read_text("utf-8")
        used |= set(re.findall(r'from "\./([^"]+)"', text))
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert used == set(NAMES)
    assert "://" not in page
    assert "style=" not in page
    assert not re.search(r"\son\w+=", page)
