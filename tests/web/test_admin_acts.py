"""Resets and clearings over HTTP: who did it and why, and whether ``auth`` says who."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi.security import APIKeyHeader

from fastapi_hybrid_breaker import CircuitConfig, CircuitState, bearer_token
from tests import inside

from .bench import KEY, trip
from .test_admin_override import PATH, PROBLEM, Admin

CIRCUIT = f"/circuits/{KEY}"
SAID = {"by": "ann", "reason": "it is back & well: ü"}


def act(admin: Admin, path: str, **said: str) -> Any:
    """Reset a circuit that is open, or clear the override of one that has one."""
    trip(admin.breaker.circuit(KEY))
    if path == PATH:
        admin.put()
    return admin.client.delete(path, params=said)


@pytest.mark.parametrize(("path", "cause"), [(CIRCUIT, "reset"), (PATH, "override_ended")])
def test_the_history_says_who_and_why_and_when(path: str, cause: str) -> None:
    admin = Admin()
    trip(admin.breaker.circuit(KEY))
    if path == PATH:
        admin.put()
    assert admin.client.delete(path, params=SAID).status_code == 204
    change = admin.page()["history"][-1]
    assert change["cause"] == cause
    assert {name: change["evidence"][name] for name in SAID} == SAID
    assert change["time"] > 1.7e9


@pytest.mark.parametrize("path", [CIRCUIT, PATH])
def test_neither_has_to_be_said(path: str) -> None:
    admin = Admin()
    assert act(admin, path).status_code == 204
    evidence = admin.page()["history"][-1]["evidence"]
    assert (evidence["by"], evidence["reason"]) == ("", "")


@pytest.mark.parametrize(
    ("said", "has_ramp"), [({}, False), ({"ramp": "false"}, False), ({"ramp": "true"}, True)]
)
def test_a_reset_lets_calls_back_in_shares_where_it_is_asked_to(
    said: dict[str, str], has_ramp: bool
) -> None:
    admin = Admin()
    circuit = admin.breaker.circuit("ramping", CircuitConfig(ramp_seconds=40.0))
    trip(circuit)
    assert admin.client.delete("/circuits/ramping", params=said).status_code == 204
    assert (circuit.state, inside.of(circuit).ramp is not None) == (
        CircuitState.CLOSED,
        has_ramp,
    )


def test_what_is_neither_a_ramp_nor_none_is_a_422_and_resets_nothing() -> None:
    admin = Admin()
    trip(admin.breaker.circuit(KEY))
    assert admin.client.delete(CIRCUIT, params={"ramp": "perhaps"}).status_code == 422
    assert admin.breaker.state(KEY) is CircuitState.OPEN


@pytest.mark.parametrize("path", [CIRCUIT, PATH])
@pytest.mark.parametrize("field", ["by", "reason"])
@pytest.mark.parametrize(
    "text", ["x" * 201, "two\nlines", "\x1b[2J"], ids=["long", "lines", "escape"]
)
def test_a_text_that_cannot_be_kept_is_a_422_and_changes_nothing(
    path: str, field: str, text: str
) -> None:
    admin = Admin()
    refused = act(admin, path, **{field: text})
    assert (refused.status_code, refused.headers["content-type"]) == (422, PROBLEM)
    wanted = f"{field} must be text of 0 to 200 printable characters, not "
    assert refused.json()["detail"].startswith(wanted)
    assert inside.of(admin.breaker.circuit(KEY)).state is CircuitState.OPEN
    assert (admin.breaker.stats(KEY).override is not None) == (path == PATH)


@pytest.mark.parametrize("path", [CIRCUIT, PATH])
def test_the_name_that_auth_gives_counts_and_the_requests_does_not(path: str) -> None:
    admin = Admin(lambda: {"sub": "ann"})
    trip(admin.breaker.circuit(KEY))
    if path == PATH:
        admin.put()
    assert admin.client.delete(path, params={"by": "mallory"}).status_code == 204
    assert admin.page()["history"][-1]["evidence"]["by"] == "ann"


def test_a_name_of_auths_that_cannot_be_kept_is_a_422_that_says_whose_it_is() -> None:
    admin = Admin(lambda: {"sub": "x" * 201})
    trip(admin.breaker.circuit(KEY))
    refused = admin.client.delete(CIRCUIT)
    said = "by, as auth gives it, must be text of 1 to 200 printable characters, not "
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(said)
    assert admin.breaker.state(KEY) is CircuitState.OPEN


def test_the_secret_of_a_bare_scheme_is_no_name_of_who_resets() -> None:
    admin = Admin(APIKeyHeader(name="X-Key"))
    admin.client.headers["X-Key"] = "secret"
    trip(admin.breaker.circuit(KEY))
    assert admin.client.delete(CIRCUIT, params={"by": "ann"}).status_code == 204
    assert admin.page()["history"][-1]["evidence"]["by"] == "ann"
    assert admin.client.get(CIRCUIT).headers["x-circuit-caller"] == "unnamed"


TOKEN = "correct-horse-battery"  # noqa: S105 - of the tests alone


@pytest.mark.parametrize(
    ("auth", "named"),
    [
        (None, "unnamed"),
        (bearer_token(TOKEN), "unnamed"),
        (lambda: "ann", "named"),
        (lambda: {"sub": "x" * 201}, "named"),  # an act is refused then, and says why
        (lambda: {"sub": 7}, "unnamed"),
    ],
    ids=["open", "token", "text", "long", "number"],
)
def test_a_circuits_page_says_whether_who_acts_has_to_say_the_name(auth: Any, named: str) -> None:
    admin = Admin(auth)
    admin.client.headers["Authorization"] = f"Bearer {TOKEN}"
    admin.breaker.circuit(KEY)
    answer = admin.client.get(CIRCUIT)
    assert (answer.status_code, answer.headers["x-circuit-caller"]) == (200, named)


def test_openapi_describes_the_parameters_and_the_header() -> None:
    one = Admin().client.get("/openapi.json").json()["paths"]["/circuits/{key}"]
    given = {part["name"]: part for part in one["delete"]["parameters"]}
    assert [given[name]["in"] for name in ("by", "reason")] == ["query", "query"]
    assert not given["reason"].get("required")
    header = one["get"]["responses"]["200"]["headers"]["X-Circuit-Caller"]
    assert header["schema"]["enum"] == ["named", "unnamed"]


def test_openapi_knows_the_bearer_token_as_a_scheme() -> None:
    spec = Admin(bearer_token(TOKEN)).client.get("/openapi.json").json()
    (name,) = spec["components"]["securitySchemes"]
    assert spec["components"]["securitySchemes"][name]["type"] == "http"
    assert spec["components"]["securitySchemes"][name]["scheme"] == "bearer"
    asked = [one["security"] for path in spec["paths"].values() for one in path.values()]
    assert asked == [[{name: []}]] * 9


HEADER = "x-circuit-overridden"


@pytest.mark.parametrize("by", ["ann", "ann@desk; by=bob", "Jörg Müller", "жук"])
def test_reset_answers_which_override_stays_in_force(by: str) -> None:
    admin = Admin()
    trip(admin.breaker.circuit(KEY))
    admin.put(kind="disabled", by=by)
    done = admin.client.delete(CIRCUIT)
    assert (done.status_code, done.content) == (204, b"")
    kind, _, name = done.headers[HEADER].partition("; by=")
    assert (kind, unquote(name)) == ("disabled", by)
    described = admin.app.openapi()["paths"]["/circuits/{key}"]["delete"]["responses"]["204"]
    schema = described["headers"]["X-Circuit-Overridden"]["schema"]
    assert re.fullmatch(schema["pattern"], done.headers[HEADER])


def test_reset_answers_nothing_of_an_override_where_there_is_none() -> None:
    admin = Admin()
    admin.put()
    admin.client.delete(PATH)
    for path in (CIRCUIT, "/circuits/never-used"):
        assert HEADER not in admin.client.delete(path).headers


def test_clearing_without_an_override_is_a_204_and_no_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin = Admin()
    trip(admin.breaker.circuit(KEY))
    told: list[object] = []
    admin.breaker.on_change(told.append)
    before = admin.page()["history"]
    caplog.set_level(logging.INFO, "fastapi_hybrid_breaker")
    caplog.clear()
    assert admin.client.delete(PATH, params=SAID).status_code == 204
    assert (admin.page()["history"], told) == (before, [])
    assert [one for one in caplog.records if one.name == "fastapi_hybrid_breaker"] == []
