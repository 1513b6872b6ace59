"""Who may override, and who is said to have: what the auth dependency gives, or the request."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Header, HTTPException
from fastapi.security import APIKeyHeader, HTTPBasic

from fastapi_hybrid_breaker import CircuitState

from .bench import KEY
from .test_admin_override import ORDER, PATH, PROBLEM, Admin, scope_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AUTHORIZED = {"Authorization": "Bearer admin"}


async def require_admin(authorization: Annotated[str, Header()] = "") -> str:
    if authorization != AUTHORIZED["Authorization"]:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return "the admin"


def admin_of(caller: object) -> Admin:
    """Make one whose auth gives ``caller`` to every request."""
    return Admin(lambda: caller)


def names(admin: Admin) -> list[str]:
    return [one.evidence.by for one in admin.breaker.circuit(KEY).history()]


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        ("ann", "ann"),
        ({"sub": "ann"}, "ann"),
        ({"username": "ann", "name": "Ann of Operations"}, "ann"),
        ({"sub": 7, "username": "", "name": None, "email": "ann@example.com"}, "ann@example.com"),
        (SimpleNamespace(name="ann", email="ann@example.com"), "ann"),
        (SimpleNamespace(sub=None, username="ann"), "ann"),
    ],
)
def test_the_name_that_auth_gives_counts_and_the_requests_does_not(
    caller: object, name: str
) -> None:
    admin = admin_of(caller)
    assert admin.put(by="mallory").status_code == 204
    assert admin.page()["override"]["by"] == name
    assert admin.client.delete(PATH, params={"by": "mallory"}).status_code == 204
    assert names(admin) == [name, name]
    assert admin.put(by=...).status_code == 204  # nor is it needed


@pytest.mark.parametrize(
    "caller", [None, True, "", {}, {"sub": 7}, {"Name": "x"}, SimpleNamespace(name=""), ["ann"]]
)
def test_where_auth_gives_no_name_the_request_must(caller: object) -> None:
    admin = admin_of(caller)
    response = admin.put(by=...)
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert response.json()["detail"].startswith("by must be text of 1 to 200 printable characters")
    assert admin.put(by="bob").status_code == 204
    assert admin.client.delete(PATH, params={"by": "carl"}).status_code == 204
    assert names(admin) == ["bob", "carl"]


class Detached:
    """A row of a database whose session has ended; ``loaded`` has been read before."""

    def __init__(self, **loaded: str) -> None:
        self.__dict__.update(loaded)

    def __getattr__(self, name: str) -> str:
        raise RuntimeError(f"{name} cannot be loaded any more")


class Gone(dict[str, str]):
    """A mapping that cannot be read any more."""

    def get(self, *_: object) -> str:
        raise RuntimeError("gone")


@pytest.mark.parametrize("caller", [Detached(), Gone()], ids=["row", "mapping"])
def test_what_auth_gives_and_cannot_be_read_made_each_request_a_500(caller: object) -> None:
    admin = admin_of(caller)
    assert admin.put(by=...).status_code == 422
    assert admin.put(by="bob").status_code == 204
    assert admin.client.delete(PATH, params={"by": "carl"}).status_code == 204
    assert names(admin) == ["bob", "carl"]


def test_what_can_be_read_of_a_detached_row_is_the_name() -> None:
    admin = admin_of(Detached(email="ann@example.com"))
    assert admin.put(by="mallory").status_code == 204
    assert names(admin) == ["ann@example.com"]


@pytest.mark.parametrize("name", ["x" * 201, "two\nlines"])
def test_a_name_of_auths_that_cannot_be_kept_is_a_422_that_says_whose_it_is(name: str) -> None:
    admin = admin_of({"sub": name})
    for response in (admin.put(), admin.client.delete(PATH)):
        assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
        said = "by, as auth gives it, must be text of 1 to 200 printable characters, not "
        assert response.json()["detail"].startswith(said)
    assert list(admin.breaker.circuits()) == []


def test_the_secret_that_a_bare_scheme_gives_is_no_name() -> None:
    admin = Admin(APIKeyHeader(name="X-Key"))
    admin.client.headers["X-Key"] = "secret"
    assert admin.put(by=...).status_code == 422
    assert admin.put().status_code == 204
    assert admin.client.delete(PATH).status_code == 204
    assert names(admin) == ["ann", ""]


def test_the_user_of_a_bare_scheme_is_a_name() -> None:
    admin = Admin(HTTPBasic())
    admin.client.headers["Authorization"] = "Basic " + base64.b64encode(b"bob:secret").decode()
    assert admin.put().status_code == 204
    assert names(admin) == ["bob"]


def test_auth_is_asked_once_per_request_and_ended_after_it() -> None:
    told: list[str] = []

    async def auth() -> AsyncIterator[str]:
        told.append("asked")
        yield "ann"
        told.append("ended")

    admin = Admin(auth)
    for send in (admin.put, lambda: admin.client.delete(PATH)):
        told.clear()
        assert send().status_code == 204
        assert told == ["asked", "ended"]
    assert names(admin) == ["ann", "ann"]


def test_an_override_of_the_dependency_is_asked_in_its_place() -> None:
    admin = Admin(require_admin)
    admin.app.dependency_overrides[require_admin] = lambda: "the tester"
    assert admin.put().status_code == 204
    assert names(admin) == ["the tester"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("path", [PATH, "/circuits/-/x/-/override"])
def test_auth_is_asked_before_anything_is_told(method: str, path: str) -> None:
    admin = Admin(require_admin)
    for body in (json.dumps(ORDER), "no json"):
        refused = admin.client.request(method, path, content=body)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert list(admin.breaker.circuits()) == []
    allowed = admin.client.request(method, path, content=json.dumps(ORDER), headers=AUTHORIZED)
    assert allowed.status_code == (204 if path == PATH else 422)


async def test_auth_is_asked_before_the_body_is_read() -> None:
    admin = Admin(require_admin)
    answer: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is read")

    async def send(message: Any) -> None:
        answer.append(message)

    await admin.app(scope_of("PUT", PATH), receive, send)
    assert answer[0]["status"] == 401


def test_openapi_names_the_scheme_of_auth_once() -> None:
    admin = Admin(APIKeyHeader(name="X-Key"))
    path = admin.client.get("/openapi.json").json()["paths"]["/circuits/{key}/-/override"]
    assert [path[method]["security"] for method in ("put", "delete")] == [
        [{"APIKeyHeader": []}],
        [{"APIKeyHeader": []}],
    ]


def test_who_may_not_override_may_not_end_either() -> None:
    admin = Admin(require_admin)
    admin.client.put(PATH, json=ORDER, headers=AUTHORIZED)
    assert admin.client.delete(PATH).status_code == 401
    assert admin.breaker.state(KEY) is CircuitState.OPEN
    assert admin.client.delete(PATH, headers=AUTHORIZED).status_code == 204
    assert admin.breaker.state(KEY) is CircuitState.CLOSED
