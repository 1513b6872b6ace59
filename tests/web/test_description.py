"""Requests of any kind: no answer is a 500, and each is as the API's description says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import bearer_token

from .test_admin_override import Admin
from .test_bodies import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "0123456789abcdef"  # noqa: S105
ASKED = {"Authorization": f"Bearer {SECRET}"}


async def forgetful(need: int) -> None:
    """An auth with a parameter of its own, which requests can lack."""


AUTHS: list[Callable[..., Any] | None] = [None, bearer_token(SECRET), lambda: "ann", forgetful]
ADMINS = [Admin(auth) for auth in AUTHS]
PATHS = ADMINS[0].app.openapi()["paths"]
OPERATIONS = [
    (method, path) for path, methods in PATHS.items() for method in methods if "events" not in path
]

_texts = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "inventory-api",
        "a/b",
        ".",
        "..",
        "-/",
        "a\n",
        "%2F",
        "true",
        "null",
        "1e400",
        "OPEN",
        "x" * 300,
    ]
)
_names = st.sampled_from(["state", "q", "after", "limit", "by", "reason", "ramp", "need", "x"])
_headers = st.dictionaries(
    st.sampled_from(
        ["Origin", "Host", "Referer", "Cookie", "Content-Type", "Content-Length", "X-Y"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
    | st.sampled_from(["http://[", "http://test", "[", "-1", "99999"]),
    max_size=2,
)


async def send(admin: Admin, method: str, path: str, **options: Any) -> httpx.Response:
    transport = httpx.ASGITransport(admin.app)  # raises what leaves the application
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **options)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@seed(7)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
async def test_every_answer_is_as_described(method: str, path: str, data: st.DataObject) -> None:
    admin = data.draw(st.sampled_from(ADMINS))
    headers = data.draw(_headers)
    if "Content-Length" in headers and not headers["Content-Length"].isascii():
        del headers["Content-Length"]
    content = data.draw(st.one_of(VALUES.map(json.dumps), st.text()).map(_encode) | st.binary())
    answer = await send(
        admin,
        method.upper(),
        # Dots too: clients take segments of dots for steps up.
        path.replace("{key}", quote(data.draw(_texts) or "x", safe="").replace(".", "%2E")),
        params=data.draw(st.lists(st.tuples(_names, _texts), max_size=3)),
        headers=[
            *((name, value.encode("latin-1")) for name, value in headers.items()),
            *(ASKED.items() if data.draw(st.booleans()) else ()),
        ],
        content=content if method == "put" else None,
    )
    described = admin.app.openapi()["paths"][path][method]["responses"]
    assert str(answer.status_code) in described, answer.text
    kinds = described[str(answer.status_code)].get("content", {})
    assert answer.headers.get("content-type", "").partition(";")[0] in (kinds or {""})
    for name, header in described[str(answer.status_code)].get("headers", {}).items():
        assert not header.get("required") or name in answer.headers


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def test_the_description_asks_for_a_name_where_nobody_else_gives_one() -> None:
    for admin, needed in zip(ADMINS, [True, True, False, True], strict=True):
        path = admin.app.openapi()["paths"]["/circuits/{key}/-/override"]
        schema = path["put"]["requestBody"]["content"]["application/json"]["schema"]
        assert ("by" in schema["required"]) is needed
