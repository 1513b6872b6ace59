"""What all answers of the admin router have in common: headers, Allow, refusals, descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, HTTPException

from fastapi_hybrid_breaker import CircuitState, HybridBreaker, bearer_token

from .bench import KEY, trip
from .test_admin_override import ORDER, PATH, PROBLEM, Admin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "0123456789abcdef"  # noqa: S105
ASKED = {"Authorization": f"Bearer {SECRET}"}
CIRCUIT = f"/circuits/{KEY}"


async def forbid() -> None:
    raise HTTPException(403, headers={"Cache-Control": "max-age=60"})


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Send paths as they are written; the TestClient decodes them twice."""
    admin = Admin()
    trip(admin.breaker.circuit(KEY))
    transport = httpx.ASGITransport(admin.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


# -- headers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/circuits", 200),
        ("GET", "/circuits/", 200),
        ("GET", "/circuits?state=AJAR", 422),
        ("GET", CIRCUIT, 200),
        ("GET", "/circuits/nobody", 404),
        ("GET", "/circuits/%07", 422),
        ("GET", "/circuits/-/health", 200),
        ("GET", "/circuits/-/fleet", 200),
        ("PATCH", "/circuits", 405),
        ("DELETE", CIRCUIT, 204),
        ("PUT", PATH, 422),
        ("GET", PATH, 404),
        ("DELETE", PATH, 204),
    ],
)
@pytest.mark.parametrize("auth", [None, bearer_token(SECRET), forbid])
def test_no_answer_is_stored_or_guessed_at(method: str, path: str, status: int, auth: Any) -> None:
    admin = Admin(auth)
    trip(admin.breaker.circuit(KEY))
    answers = [admin.client.request(method, path, headers=ASKED)]
    if auth is not None:
        answers.append(admin.client.request(method, path))
    if auth is not forbid:
        assert answers[0].status_code == status
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_of_the_application_keep_their_own_headers() -> None:
    admin = Admin()

    @admin.app.get("/")
    async def page() -> None: ...

    assert "cache-control" not in admin.client.get("/").headers


# -- methods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/circuits", "GET"),
        ("/circuits/-/health", "GET"),
        ("/circuits/-/fleet", "GET"),
        ("/circuits/-/events", "GET"),
        (CIRCUIT, "DELETE, GET"),
        ("/circuits/a/b%2Fc", "DELETE, GET"),
        (f"{CIRCUIT}/-/override", "DELETE, GET, PUT"),
        ("/circuits/a/b%2Fc/-/override", "DELETE, GET, PUT"),
    ],
)
async def test_a_method_that_a_path_has_not_is_a_405_with_those_it_has(
    client: httpx.AsyncClient, path: str, allow: str
) -> None:
    others = {"GET", "PUT", "DELETE", "POST", "PATCH", "OPTIONS", "HEAD", "FOO"}
    for method in others - set(allow.split(", ")):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allow), method
        assert answer.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("path", ["/circuits/-/console", "/circuits/-/console/main.js"])
async def test_the_console_has_no_other_methods(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.delete(path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


def test_a_405_is_right_behind_any_prefix_and_mount() -> None:
    app = FastAPI()
    breaker = HybridBreaker(app, redis=None)
    router = breaker.admin_router(auth=None)
    app.include_router(router, prefix="/one")
    app.include_router(router, prefix="/two/-/circuits")
    app.mount("/three", router)
    transport = Admin().client.__class__(app)
    for prefix in ("/one", "/two/-/circuits", "/three"):
        answer = transport.post(f"{prefix}/a/b/-/override")
        assert answer.headers["allow"] == "DELETE, GET, PUT"
        assert transport.delete(f"{prefix}/-/health").headers["allow"] == "GET"


# -- the override ------------------------------------------------------------------------------


def test_get_shows_the_override_that_is_in_force() -> None:
    admin = Admin()
    admin.put()
    admin.clock.advance(100)
    answer = admin.client.get(PATH)
    assert answer.status_code == 200
    assert answer.json() == {
        "kind": "forced_open",
        "by": "ann",
        "reason": "a migration",
        "remaining": 500.0,
    }
    admin.client.delete(PATH)
    assert admin.client.get(PATH).status_code == 404


@pytest.mark.parametrize(
    ("key", "said"),
    [(KEY, "no override is in force on"), ("nobody", "no circuit is called")],
)
def test_get_without_an_override_is_a_404_that_makes_no_circuit(key: str, said: str) -> None:
    admin = Admin()
    admin.breaker.circuit(KEY)
    answer = admin.client.get(f"/circuits/{key}/-/override")
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert said in answer.json()["detail"]
    assert [one.key for one in admin.breaker.circuits()] == [KEY]


@pytest.mark.parametrize("key", ["a/b", "two words", "größe", "100%", "ends/"])
async def test_get_takes_any_key(client: httpx.AsyncClient, key: str) -> None:
    path = f"/circuits/{quote(key, safe='')}/-/override"
    await client.put(path, json=ORDER)
    assert (await client.get(path)).json()["by"] == "ann"


# -- refusals ----------------------------------------------------------------------------------


def test_refusals_are_logged_without_what_was_shown(caplog: pytest.LogCaptureFixture) -> None:
    admin = Admin(bearer_token(SECRET))
    for _ in range(50):
        answer = admin.client.put(
            f"{CIRCUIT}-s3cret/-/override?k=s3cret", headers={"Authorization": "Bearer s3cret"}
        )
        assert answer.status_code == 401
    elsewhere = {"Origin": "http://s3cret"}
    assert admin.client.delete(CIRCUIT, headers=elsewhere).status_code == 403
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" from ")[0] for line in lines] == [
        "admin router: refused with 401: PUT /{key:circuit_key}/-/override",
        "admin router: refused with 403: DELETE /{key:circuit_key}",
    ]
    assert "s3cret" not in caplog.text


async def test_a_strange_address_forges_no_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    admin = Admin(bearer_token(SECRET))
    transport = httpx.ASGITransport(admin.app, client=("1\n2", 7))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/circuits")).status_code == 401
    (record,) = caplog.records
    assert "from an unknown address" in record.getMessage()


# -- the description ---------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [None, bearer_token(SECRET)])
def test_the_description_says_which_requests_are_refused(auth: Any) -> None:
    paths = Admin(auth).client.get("/openapi.json").json()["paths"]
    for path in paths.values():
        for method, described in path.items():
            statuses = set(described["responses"])
            changes = method in {"put", "delete"}
            assert ("403" in statuses) is (changes or auth is not None)
            assert ("401" in statuses) is (auth is not None)


@pytest.mark.parametrize("auth", [None, bearer_token(SECRET), lambda: "ann"])
def test_the_example_of_an_override_works_as_it_stands(auth: Any) -> None:
    admin = Admin(auth)
    path = admin.client.get("/openapi.json").json()["paths"]["/circuits/{key}/-/override"]
    example = path["put"]["requestBody"]["content"]["application/json"]["example"]
    assert admin.client.put(PATH, json=example, headers=ASKED).status_code == 204
    assert admin.breaker.state(KEY) is CircuitState.OPEN
