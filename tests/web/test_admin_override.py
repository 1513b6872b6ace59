"""The admin router's overrides: what they do, who set them, which orders are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from fastapi_hybrid_breaker import CircuitOpenError, CircuitState, HybridBreaker
from fastapi_hybrid_breaker.core.override import OverrideKind
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

from .bench import CONFIG, FAILURE, KEY, trip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = f"/circuits/{KEY}/-/override"
PROBLEM = "application/problem+json"
ORDER = {"kind": "forced_open", "reason": "a migration", "seconds": 600, "by": "ann"}
OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED


class Admin:
    """An application with the router at /circuits; ``auth`` as given."""

    def __init__(self, auth: Callable[..., Any] | None = None) -> None:
        self.clock = ManualClock()
        self.app = FastAPI()
        self.breaker = HybridBreaker(self.app, redis=None, defaults=CONFIG, clock=self.clock)
        self.app.include_router(self.breaker.admin_router(auth=auth), prefix="/circuits")
        self.client = TestClient(self.app)

    def put(self, **changes: Any) -> Any:
        """Send ``ORDER`` with changes; a field that is ``...`` is left out."""
        order = {field: value for field, value in (ORDER | changes).items() if value is not ...}
        return self.client.put(PATH, content=json.dumps(order))

    def page(self) -> Any:
        return self.client.get(f"/circuits/{KEY}").json()


@pytest.fixture
def admin() -> Iterator[Admin]:
    admin = Admin()
    with admin.client:
        yield admin


def test_put_forces_a_circuit_open_and_the_pages_say_who_and_why(admin: Admin) -> None:
    response = admin.put()
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["x-circuit-override"] == "local"
    with pytest.raises(CircuitOpenError) as rejection:
        inside.admit(admin.breaker.circuit(KEY))
    assert rejection.value.retry_after == 600.0
    admin.clock.advance(100)
    page = admin.page()
    set_by_ann = {"kind": "forced_open", "by": "ann", "reason": "a migration", "remaining": 500.0}
    assert (page["state"], page["override"]) == ("OPEN", set_by_ann)
    (change,) = page["history"]
    assert (change["old"], change["new"], change["cause"]) == ("CLOSED", "OPEN", "override")
    assert (change["evidence"]["by"], change["evidence"]["reason"]) == ("ann", "a migration")
    (listed,) = admin.client.get("/circuits").json()["circuits"]
    assert (listed["key"], listed["override"]) == (KEY, set_by_ann)


def test_put_disables_a_circuit_until_it_is_cleared(admin: Admin) -> None:
    guarded = admin.breaker.circuit(KEY)
    trip(guarded)
    assert admin.put(kind="disabled", seconds=None).status_code == 204
    assert admin.page()["override"]["remaining"] is None
    admin.clock.advance(1e9)
    for _ in range(10):
        inside.settle(guarded, inside.admit(guarded), FAILURE)
    assert guarded.state is CLOSED


def test_an_override_ends_at_its_time(admin: Admin) -> None:
    admin.put(seconds=0.5)
    admin.clock.advance(0.5)
    inside.admit(admin.breaker.circuit(KEY))
    assert admin.page()["override"] is None


def test_put_replaces_an_earlier_override(admin: Admin) -> None:
    admin.put()
    admin.put(kind="disabled", by="bob", reason="it is fine", seconds=7)
    assert admin.page()["override"] == {
        "kind": "disabled",
        "by": "bob",
        "reason": "it is fine",
        "remaining": 7.0,
    }


def test_delete_ends_it_and_the_history_says_who_did(admin: Admin) -> None:
    admin.put()
    response = admin.client.delete(PATH, params={"by": "bob"})
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["x-circuit-override"] == "local"
    page = admin.page()
    assert (page["state"], page["override"]) == ("CLOSED", None)
    assert [one["evidence"]["by"] for one in page["history"]] == ["ann", "bob"]


def test_delete_without_an_override_or_a_name_is_a_204_that_makes_no_circuit(admin: Admin) -> None:
    assert admin.client.delete(PATH).status_code == 204
    assert list(admin.breaker.circuits()) == []


def test_delete_of_an_override_is_no_reset(admin: Admin) -> None:
    trip(admin.breaker.circuit(KEY))
    admin.client.delete(PATH)
    assert admin.breaker.state(KEY) is OPEN


@pytest.mark.parametrize("reach", ["fleet", "queued"])
def test_the_header_tells_how_far_it_came(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, reach: str
) -> None:
    async def override(key: str, override: object, by: str, reason: str) -> str:
        return reach

    monkeypatch.setattr(inside.sync_of(admin.breaker), "override", override)
    assert admin.put().headers["x-circuit-override"] == reach
    assert admin.client.delete(PATH).headers["x-circuit-override"] == reach


# -- orders that are refused -------------------------------------------------------------------

KINDS = "kind must be 'forced_open', 'disabled', 'shadow' or 'enforced', not "
TEXT = "must be text of 1 to 200 printable characters"
SECONDS = "seconds must be a number of seconds above 0 and at most 31622400, not "


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "open"}, KINDS + "'open'"),
        ({"kind": ...}, KINDS + "None"),
        ({"kind": ["disabled"]}, KINDS + "['disabled']"),
        ({"reason": ""}, f"reason {TEXT}, not ''"),
        ({"reason": ...}, f"reason {TEXT}, not ''"),
        ({"reason": None}, f"reason {TEXT}, not None"),
        ({"reason": "x" * 201}, f"reason {TEXT}, not 'xxx"),
        ({"reason": "two\nlines"}, f"reason {TEXT}, not 'two\\nlines'"),
        ({"reason": "\ud800"}, f"reason {TEXT}, not '\\ud800'"),
        ({"by": 7}, f"by {TEXT}, not 7"),
        ({"by": ""}, f"by {TEXT}, not ''"),
        ({"by": ...}, f"by {TEXT} in the body, as auth gives no name"),
        ({"by": None}, f"by {TEXT} in the body, as auth gives no name"),
        ({"seconds": ...}, "seconds must be in the body: a number above 0 and at most 31622400"),
        ({"seconds": 0}, SECONDS + "0"),
        ({"seconds": -1.5}, SECONDS + "-1.5"),
        ({"seconds": 31_622_401}, SECONDS + "31622401"),
        ({"seconds": "600"}, SECONDS + "'600'"),
        ({"seconds": True}, SECONDS + "True"),
        ({"seconds": float("nan")}, SECONDS + "nan"),
        ({"second": 600}, "the body may have kind, reason, seconds, by, not 'second'"),
    ],
)
def test_a_bad_value_is_a_422_that_names_field_range_and_value(
    admin: Admin, changes: dict[str, Any], said: str
) -> None:
    response = admin.put(**changes)
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert response.json()["detail"].startswith(said)
    assert list(admin.breaker.circuits()) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"forced_open"', b"\xff\xfe\xfd", b"[" * 60_000],
    ids=["empty", "half", "list", "null", "text", "bytes", "deep"],
)
def test_a_body_that_is_no_json_object_is_a_422(admin: Admin, body: bytes) -> None:
    response = admin.client.put(PATH, content=body)
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert response.json()["detail"].startswith("the body must be a JSON object")


def test_delete_by_a_name_out_of_range_is_a_422_and_ends_nothing(admin: Admin) -> None:
    admin.put()
    response = admin.client.delete(PATH, params={"by": "x" * 201})
    assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
    assert response.json()["detail"].startswith("by must be text of 0 to 200 printable characters")
    assert admin.breaker.state(KEY) is OPEN


async def test_a_client_that_leaves_amid_its_body_overrides_nothing() -> None:
    admin = Admin()
    heard = iter(
        [
            {"type": "http.request", "body": json.dumps(ORDER).encode(), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    answer: list[Any] = []

    async def receive() -> Any:
        return next(heard)

    async def send(message: Any) -> None:
        answer.append(message)

    await admin.app(scope_of("PUT", PATH), receive, send)
    assert answer[0]["status"] == 400
    assert list(admin.breaker.circuits()) == []


def scope_of(method: str, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }


# -- keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        "plain",
        "a/b/c",
        "ends/",
        "two words",
        "host:8080",
        "größe-дом-家",
        "100%",
        "%2F",
        "x/-",
        "-",
    ],
)
async def test_keys_work_percent_encoded(key: str) -> None:
    admin = Admin()
    path = f"/circuits/{quote(key, safe='')}/-/override"
    # Not the TestClient, which decodes a path twice.
    transport = httpx.ASGITransport(admin.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.put(path, json=ORDER)).status_code == 204
        assert [one.key for one in admin.breaker.circuits()] == [key]
        assert admin.breaker.state(key) is OPEN
        assert (await client.delete(path)).status_code == 204
    assert admin.breaker.state(key) is CLOSED


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "1 to 256 characters"),
        ("x" * 257, "1 to 256 characters"),
        ("%2E%2E", "'..'"),
        ("%07", "control characters"),
        ("-/events", "'-/'"),
        ("key/-/override", "'-/'"),
    ],
)
def test_a_key_that_can_name_no_circuit_is_a_422_that_says_why(
    admin: Admin, key: str, said: str
) -> None:
    for method in ("PUT", "DELETE"):
        response = admin.client.request(method, f"/circuits/{key}/-/override", json=ORDER)
        assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)
        assert said in response.json()["detail"]


def test_openapi_describes_it(admin: Admin) -> None:
    path = admin.client.get("/openapi.json").json()["paths"]["/circuits/{key}/-/override"]
    assert set(path) == {"get", "put", "delete"}
    assert path["put"]["requestBody"]["required"] is True
    body = path["put"]["requestBody"]["content"]["application/json"]
    fields = body["schema"]["properties"]
    assert set(fields) == {"kind", "reason", "seconds", "by"}
    assert fields["kind"]["enum"] == list(OverrideKind)
    assert fields["seconds"]["anyOf"][0]["maximum"] == 31_622_400
    assert (fields["by"]["minLength"], fields["reason"]["maxLength"]) == (1, 200)
    assert body["schema"]["required"] == ["kind", "reason", "seconds", "by"]  # nobody else names
    assert admin.client.put(PATH, json=body["example"] | {"by": "ann"}).status_code == 204
    for method in ("put", "delete"):
        done = path[method]["responses"]["204"]
        header = done["headers"]["X-Circuit-Override"]
        assert header["schema"]["enum"] == ["fleet", "queued", "local"]
        assert "content" not in done
        assert set(path[method]["responses"]["422"]["content"]) == {PROBLEM}
    named = {one["name"]: one["in"] for one in path["delete"]["parameters"]}
    assert named == {"key": "path", "by": "query", "reason": "query"}


def test_put_switches_a_circuit_into_shadow_mode(admin: Admin) -> None:
    trip(admin.breaker.circuit(KEY))
    assert admin.put(kind="shadow").status_code == 204
    permit = inside.admit(admin.breaker.circuit(KEY))
    inside.settle(admin.breaker.circuit(KEY), permit, FAILURE)
    page = admin.page()
    figures = ("state", "mode", "rejected", "shadowed", "shadowed_failures")
    assert [page[name] for name in figures] == ["OPEN", "shadow", 0, 1, 1]
    assert (page["override"]["kind"], page["config"]["mode"]) == ("shadow", "enforce")
    assert admin.client.get("/circuits/-/health").json()["status"] == "ok"
    admin.put(kind="enforced")
    with pytest.raises(CircuitOpenError):
        inside.admit(admin.breaker.circuit(KEY))
    assert admin.page()["mode"] == "enforce"


def test_description_names_each_kind(admin: Admin) -> None:
    body = admin.app.openapi()["paths"]["/circuits/{key}/-/override"]["put"]["requestBody"]
    kind = body["content"]["application/json"]["schema"]["properties"]["kind"]
    assert kind["enum"] == list(OverrideKind)
    assert all(f"{one}:" in kind["description"] for one in OverrideKind)
