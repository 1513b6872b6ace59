"""The admin router: what it shows, what it resets, which keys it takes, who may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, CircuitStats
from tests import inside

from .admin_served import Admin
from .bench import KEY, make_half_open, trip

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBLEM = "application/problem+json"


@pytest.fixture
def admin() -> Iterator[Admin]:
    admin = Admin()
    with admin.client:
        yield admin


def test_the_list_has_the_known_and_the_declared_circuits_and_the_exchange(admin: Admin) -> None:
    trip(admin.breaker.circuit("b"))
    admin.breaker.circuit("a")
    page = admin.client.get("/circuits").json()
    assert set(page) == {"circuits", "next", "total", "sync"}
    assert (page["next"], page["total"]) == (None, 3)
    assert [(one["key"], one["state"]) for one in page["circuits"]] == [
        ("a", "CLOSED"),
        ("b", "OPEN"),
        ("declared", "CLOSED"),
    ]
    sync = page["sync"]
    assert set(sync) == {
        "state",
        "since",
        "instance",
        "sent",
        "received",
        "dropped",
        "queued",
        "lag",
        "corrected",
        "orders",
        "error",
    }
    assert sync["state"] == "disabled"
    assert [one.key for one in admin.breaker.circuits()] == ["b", "a"]  # looking made none


def test_the_list_can_be_asked_for_a_state(admin: Admin) -> None:
    trip(admin.breaker.circuit("idle"))
    make_half_open(admin.breaker.circuit("half"), admin.clock)
    trip(admin.breaker.circuit("open"))

    def listed(state: str) -> list[str]:
        page = admin.client.get("/circuits", params={"state": state}).json()
        return [one["key"] for one in page["circuits"]]

    assert listed("CLOSED") == ["declared"]
    assert listed("OPEN") == ["idle", "open"]
    assert listed("HALF_OPEN") == ["half"]
    assert listed("ready_to_probe") == ["idle"]
    assert admin.client.get("/circuits", params={"state": "AJAR"}).status_code == 422


def test_an_open_circuit_that_nobody_calls_is_ready_to_probe(admin: Admin) -> None:
    trip(admin.breaker.circuit("declared"))

    def shown() -> tuple[str, bool, list[str], str]:
        page = admin.client.get("/circuits/declared").json()
        health = admin.client.get("/circuits/-/health").json()
        return page["state"], page["ready_to_probe"], health["ready_to_probe"], health["status"]

    assert shown() == ("OPEN", False, [], "degraded")
    admin.clock.advance(4.0)
    assert shown() == ("OPEN", True, ["declared"], "ok")


def test_a_circuit_is_shown_with_state_figures_and_configuration(admin: Admin) -> None:
    guarded = admin.breaker.circuit("declared")
    trip(guarded)
    guarded_again = admin.client.get("/circuits/declared").json()
    next_attempt = guarded_again.pop("next_attempt")
    assert [(one["old"], one["new"]) for one in guarded_again.pop("history")] == [
        ("CLOSED", "OPEN")
    ]
    assert next_attempt == pytest.approx(guarded.stats().next_attempt)
    assert guarded_again == {
        "key": "declared",
        "state": "OPEN",
        "ready_to_probe": False,
        "failures": 2,
        "successes": 0,
        "retry_after": 4.0,
        "rejected": 0,
        "version": 0,
        "calls": None,
        "failure_rate": None,
        "slow_rate": None,
        "reopenings": 0,
        "mode": "enforce",
        "shadowed": 0,
        "shadowed_failures": 0,
        "override": None,
        "alone": False,
        "open_at": [],
        "config": {
            "mode": "enforce",
            "scope": "fleet",
            "quorum": 1,
            "failure_threshold": 2,
            "trip": ["2 failures in a row"],
            "success_threshold": 2,
            "recovery_timeout": 4.0,
            "backoff": None,
            "retry_after_limits": [1.0, 300.0],
            "half_open_max_calls": 2,
            "half_open_timeout": 4.0,
            "half_open_max_duration": None,
            "half_open_maximum": None,
            "ramp_seconds": None,
            "ramp_shares": [0.1, 0.25, 0.5, 1.0],
            "failure_exceptions": ["OSError", "fastapi.exceptions.HTTPException"],
            "success_exceptions": ["FileNotFoundError"],
            "ignored_exceptions": ["KeyError"],
            "failure_result": None,
            "failure_statuses": [500, 503],
            "history_size": 50,
        },
    }


def test_a_half_open_circuit_is_shown_as_such(admin: Admin) -> None:
    make_half_open(admin.breaker.circuit(KEY), admin.clock)
    page = admin.client.get(f"/circuits/{KEY}").json()
    assert (page["state"], page["next_attempt"], page["retry_after"]) == ("HALF_OPEN", None, 0.0)


def test_a_declared_circuit_that_nobody_used_is_shown_and_not_made(admin: Admin) -> None:
    page = admin.client.get("/circuits/declared").json()
    assert (page["state"], page["failures"]) == ("CLOSED", 0)
    assert list(admin.breaker.circuits()) == []


@pytest.mark.parametrize("key", ["nobody", "host:7", "a/b", "declared/more"])
def test_an_unknown_circuit_is_a_404_and_not_made(admin: Admin, key: str) -> None:
    response = admin.client.get("/circuits/" + quote(key, safe=""))
    assert response.status_code == 404
    assert response.headers["content-type"] == PROBLEM
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": f"no circuit is called {key!r}",
    }
    assert list(admin.breaker.circuits()) == []


def test_a_circuit_known_only_to_redis_is_shown(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def peek(key: str, config: CircuitConfig) -> CircuitStats:
        return CircuitStats(CircuitState.OPEN, 5, 0, 1_800_000_000.0, 7.0, 0, 3)

    monkeypatch.setattr(inside.sync_of(admin.breaker), "peek", peek)
    page = admin.client.get("/circuits/elsewhere").json()
    assert (page["state"], page["version"], page["retry_after"]) == ("OPEN", 3, 7.0)
    assert list(admin.breaker.circuits()) == []


def test_delete_closes_the_circuit(admin: Admin) -> None:
    guarded = admin.breaker.circuit(KEY)
    trip(guarded)
    response = admin.client.delete(f"/circuits/{KEY}")
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["x-circuit-reset"] == "local"
    assert guarded.state is CircuitState.CLOSED


@pytest.mark.parametrize("reach", ["fleet", "queued"])
def test_delete_tells_how_far_it_came(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, reach: str
) -> None:
    async def reset(key: str, proposal: object, by: str, reason: str, *, ramp: bool) -> Any:
        return reach, None

    monkeypatch.setattr(inside.sync_of(admin.breaker), "reset", reset)
    response = admin.client.delete("/circuits/unknown-here")
    assert (response.status_code, response.headers["x-circuit-reset"]) == (204, reach)


def test_a_slash_too_many_lists_as_well(admin: Admin) -> None:
    admin.breaker.circuit("a")
    with_slash = admin.client.get("/circuits/", follow_redirects=False)
    assert with_slash.status_code == 200
    assert with_slash.json() == admin.client.get("/circuits").json()
    refused = admin.client.delete("/circuits/")
    assert (refused.status_code, refused.headers["content-type"]) == (422, PROBLEM)
    assert "1 to 256 characters" in refused.json()["detail"]


def test_delete_of_an_unknown_circuit_is_a_204_as_well(admin: Admin) -> None:
    assert admin.client.delete("/circuits/nobody").status_code == 204
    assert list(admin.breaker.circuits()) == []


KEYS = [
    "plain",
    "a/b/c",
    "ends/",
    "//",
    "two words",
    "host:8080",
    "[::1]:80",
    "größe-дом-家",
    "100%",
    "%2F",
    "what?now#here",
    "a+b&c=d",
    "..dots..",
    "dash-",
]


@pytest.mark.parametrize("key", KEYS)
async def test_keys_work_percent_encoded(key: str) -> None:
    admin = Admin()
    guarded = admin.breaker.circuit(key)
    trip(guarded)
    path = "/circuits/" + quote(key, safe="")
    # Not the TestClient, which decodes a path twice.
    transport = httpx.ASGITransport(admin.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        page = await client.get(path)
        assert (page.status_code, page.json()["key"]) == (200, key)
        assert (await client.delete(path)).status_code == 204
    assert guarded.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("%2E%2E", "'..'"),
        ("a%2F.%2Fb", "'.'"),
        ("%07", "control characters"),
        ("x" * 257, "1 to 256 characters"),
        ("-/elsewhere", "'-/'"),
        ("key/-/elsewhere", "'-/'"),
        # What a path's expression takes for its end.
        ("%0A", "control characters"),
        ("%0a", "control characters"),
        ("%0D%0A", "control characters"),
        ("key%0A", "control characters"),
        ("-/health%0A", "control characters"),
        ("-/fleet%0A", "control characters"),
        ("key/-/override%0A", "control characters"),
        ("%00", "control characters"),
        ("%2E", "'.'"),
    ],
)
def test_a_key_that_can_name_no_circuit_is_a_422_that_says_why(
    admin: Admin, path: str, said: str
) -> None:
    for method in ("GET", "DELETE"):
        response = admin.client.request(method, "/circuits/" + path)
        assert response.status_code == 422
        assert response.headers["content-type"] == PROBLEM
        assert said in response.json()["detail"]


def test_openapi_describes_it(admin: Admin) -> None:
    spec = admin.client.get("/openapi.json").json()
    assert set(spec["paths"]) == {
        "/circuits",
        "/circuits/-/events",
        "/circuits/-/fleet",
        "/circuits/-/health",
        "/circuits/{key}",
        "/circuits/{key}/-/override",
    }
    one = spec["paths"]["/circuits/{key}"]
    shown = one["get"]["responses"]
    assert shown["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/CircuitDetail")
    assert set(shown["404"]["content"]) == set(shown["422"]["content"]) == {PROBLEM}
    reset = one["delete"]["responses"]["204"]
    assert reset["headers"]["X-Circuit-Reset"]["schema"]["enum"] == ["fleet", "queued", "local"]
    assert "content" not in reset
    listed = spec["paths"]["/circuits"]["get"]["responses"]["200"]["content"]["application/json"]
    assert listed["schema"]["$ref"].endswith("/CircuitList")
    info = spec["components"]["schemas"]["CircuitInfo"]
    known = {"key", "state", "failures", "successes", "next_attempt", "retry_after", "config"}
    assert known <= set(info["properties"])
