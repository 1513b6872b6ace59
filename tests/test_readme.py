"""The README's examples run as written."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.testing import open_circuit

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names of all Python blocks, run one after the other."""
    names: dict[str, Any] = {"__name__": "readme"}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec", dont_inherit=True), names)  # noqa: S102 - ours
    return names


def test_the_guarded_route_answers_503_while_open(example: dict[str, Any]) -> None:
    client = TestClient(example["app"])
    assert client.get("/stock/a").json() == {"sku": "a"}
    assert client.get("/left/a").json() == {"sku": "a", "left": 1}
    with open_circuit(example["breaker"], "inventory-api"):
        rejected = client.get("/stock/a")
        assert rejected.status_code == 503
        assert int(rejected.headers["retry-after"]) >= 1
        assert rejected.headers["content-type"] == "application/problem+json"
        assert client.get("/offers/a").json() == {"sku": "a", "left": None}


def test_the_admin_api_asks_for_the_token(example: dict[str, Any]) -> None:
    client = TestClient(example["app"])
    assert client.get("/circuits").status_code == 401
    token = {"authorization": "Bearer change-me-to-a-secret"}
    listed = client.get("/circuits", headers=token).json()
    assert [one["key"] for one in listed["circuits"]] == ["inventory-api"]
    reset = client.delete("/circuits/inventory-api", headers=token)
    assert reset.status_code == 204
    assert reset.headers["x-circuit-reset"] == "local"


def test_the_rules_are_those_of_the_examples(example: dict[str, Any]) -> None:
    services = example["services"]
    assert [str(rule) for rule in services.circuit("search").config.rules] == [
        "0.5 of the last 10 s failed, 20 at least"
    ]
    assert len(services.circuit("reports").config.rules) == 2
    assert services.circuit("nightly-export").config.recovery_timeout == 300.0


async def test_the_operators_example_runs(example: dict[str, Any]) -> None:
    await example["migrate"]()
    changes = example["breaker"].circuit("inventory-api").history()[-2:]
    assert [change.cause for change in changes] == ["override", "override_ended"]


def test_the_table_names_every_field() -> None:
    table = README[README.index("## Configuration") :]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert named == [field.name for field in dataclasses.fields(CircuitConfig) if field.init]
