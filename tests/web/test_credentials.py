"""The secrets of a request never become the name of who acts, whatever auth returns of them."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import pytest
from fastapi import Depends, Header, Request
from fastapi.security import APIKeyQuery, HTTPBasic, HTTPBearer, OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from fastapi_hybrid_breaker.web.credentials import is_credential

from .test_admin_names import names
from .test_admin_override import PATH, Admin

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def basic(login: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


async def token_of_scheme(token: Annotated[str, Depends(OAuth2PasswordBearer("token"))]) -> str:
    return token


async def token_in_a_dict(request: Request) -> dict[str, str]:
    return {"sub": request.headers["authorization"]}


async def credentials(given: Annotated[Any, Depends(HTTPBearer())]) -> str:
    return given.credentials


async def decorated(given: Annotated[Any, Depends(HTTPBearer())]) -> str:
    return f"user of {given.credentials}"


async def shortened(given: Annotated[Any, Depends(HTTPBearer())]) -> str:
    return given.credentials[:24]


async def api_key(x_api_key: Annotated[str, Header()] = "") -> str:
    return x_api_key


async def strange_header(x_shop: Annotated[str, Header()] = "") -> str:
    return x_shop


async def key_of_query(key: Annotated[str, Depends(APIKeyQuery(name="k"))]) -> str:
    return key


async def session(request: Request) -> dict[str, str]:
    return {"name": request.cookies["sid"]}


async def password(login: Annotated[Any, Depends(HTTPBasic())]) -> str:
    return login.password


async def whole_login(login: Annotated[Any, Depends(HTTPBasic())]) -> str:
    return f"{login.username}:{login.password}"


async def user(login: Annotated[Any, Depends(HTTPBasic())]) -> str:
    return login.username


@pytest.mark.parametrize(
    ("auth", "headers", "query"),
    [
        (token_of_scheme, BEARER, {}),
        (token_in_a_dict, BEARER, {}),
        (token_in_a_dict, {"Authorization": TOKEN}, {}),
        (token_in_a_dict, {"Authorization": f"  token   {TOKEN}"}, {}),
        (credentials, BEARER, {}),
        (decorated, BEARER, {}),
        (shortened, BEARER, {}),
        (api_key, {"X-Api-Key": "k"}, {}),
        (strange_header, {"X-Shop": "s3cret"}, {}),
        (key_of_query, {}, {"k": "s3cret"}),
        (session, {"Cookie": "lang=en; sid=s3cret"}, {}),
        (password, basic("ann:s3cret"), {}),
        (password, basic("s3cret:s3cret"), {}),
        (whole_login, basic("ann:s3cret"), {}),
        (user, basic("sk_live_s3cret:"), {}),
    ],
)
def test_a_secret_of_the_request_becomes_no_name(
    auth: Callable[..., Any],
    headers: dict[str, str],
    query: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin = Admin(auth)
    admin.client.headers.update(headers)
    admin.client.params = query
    refused = admin.put(by=...)
    assert refused.status_code == 422
    assert refused.json()["detail"].endswith("in the body, as auth gives no name")
    assert admin.put().status_code == 204
    assert admin.client.delete(PATH).status_code == 204
    assert admin.client.delete(f"/circuits/{PATH.split('/')[2]}").status_code == 204
    assert set(names(admin)) <= {"ann", ""}
    page = admin.client.get(f"/circuits/{PATH.split('/')[2]}")
    assert page.headers["x-circuit-caller"] == "unnamed"
    told = [one.getMessage() for one in caplog.records if "credentials" in one.getMessage()]
    assert len(told) == 1  # however many requests there are
    for secret in (TOKEN[:24], "s3cret"):
        assert secret not in page.text + caplog.text


CHANGED = [
    str.upper,
    str.lower,
    lambda token: token[:8],
    lambda token: token[:12].upper(),
    lambda token: f"{token[:12]}...",
    lambda token: base64.b64encode(token.encode()).decode(),
    lambda token: base64.urlsafe_b64encode(token.encode()).decode().rstrip("="),
    lambda token: base64.b64encode(token.encode()).decode()[:16],
    lambda token: token.encode().hex(),
    lambda token: quote(token, safe=""),
    lambda token: f"user of {token.upper()}",
]


@pytest.mark.parametrize("change", CHANGED, ids=itertools.count())
@pytest.mark.parametrize(
    ("header", "before"),
    [("Authorization", "Bearer "), ("X-Api-Key", ""), ("X-Shop", ""), ("Cookie", "sid=")],
)
def test_a_token_that_auth_changed_became_a_name(
    change: Callable[[str], str], header: str, before: str
) -> None:
    token = "Sk7?~operators/K8qPz"  # noqa: S105
    if header == "X-Shop" and " of " in change(token):
        return  # it is not certain that it is a secret
    scope = {"type": "http", "query_string": b"", "headers": []}
    scope["headers"] = [(header.lower().encode(), f"{before}{token}".encode())]
    assert is_credential(change(token), HTTPConnection(scope))


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        (user, basic("ann:s3cret")),
        (user, basic("ann.of.operations@example.com:ann.of.operations@example.com!")),
        (lambda: "ann", BEARER),
        (lambda: "ann", {"Authorization": "Bearer ann.s3cret"}),
        (lambda: "ann", {"Authorization": 'Digest username="ann", response="0123456789abcdef"'}),
        (lambda: "ann", {"Cookie": "user=ann; sid=s3cret"}),
        (lambda: {"email": "ann@example.com"}, {"X-Auth-Request-Email": "ann@example.com"}),
        (lambda: "ann", {"Remote-User": "ann"}),
        (lambda: "ann", {"X-Forwarded-Preferred-Username": "ann"}),
        (user, basic("Ann.Of.Operations:s3cret")),
        (lambda: "ann@example.com", {"Cookie": "session=ann@example.com.Zm9v.c2ln"}),
        (lambda: "ann of operations", {"Cookie": "session=Ann of operations|1700000000|c2ln"}),
        (lambda: "ann.team", {"X-Forwarded-Host": "ann.team.example.com"}),
    ],
)
def test_a_name_that_the_request_shows_stays_one(
    auth: Callable[..., Any], headers: dict[str, str]
) -> None:
    admin = Admin(auth)
    admin.client.headers.update(headers)
    assert admin.put(by=...).status_code == 204
    (name,) = names(admin)
    assert name.lower().startswith("ann")


@pytest.mark.parametrize("auth", [None, credentials])
@pytest.mark.parametrize("field", ["by", "reason"])
def test_nor_does_one_that_the_request_gives_as_a_name_or_a_reason(auth: Any, field: str) -> None:
    admin = Admin(auth)
    admin.client.headers.update(BEARER)
    for text in (TOKEN, f"Bearer {TOKEN}", f"ann, {TOKEN}"):
        given = {field: text}
        refused = [
            admin.put(**{"by": "ann", **given}),
            admin.client.delete(PATH, params=given),
            admin.client.delete(f"/circuits/{PATH.split('/')[2]}", params=given),
        ]
        for answer in refused:
            assert answer.status_code == 422
            assert TOKEN not in answer.text
    assert list(admin.breaker.circuits()) == []
    assert admin.put(by="ann").status_code == 204


@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Basic ", "Basic %%%", "Basic /w==", "Bearer", "Digest ,,,=", "\xff\xfe", ":"],
)
def test_malformed_credentials_raise_nothing(value: str) -> None:
    headers = [(b"authorization", value.encode("latin-1")), (b"cookie", b"=;;a=\xff")]
    scope = {"type": "http", "headers": headers, "query_string": b"%ff&=&a&&b=%"}
    assert is_credential("ann", HTTPConnection(scope)) is False
