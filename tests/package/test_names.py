"""What users of a breaker and of a circuit see: what the documentation names, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fastapi_hybrid_breaker import HybridBreaker

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TEXT = "\n".join(page.read_text() for page in PAGES)

BREAKER = HybridBreaker(redis=None)


def public(one: object) -> list[str]:
    return [name for name in dir(one) if not name.startswith("_")]


@pytest.mark.parametrize(
    "name", sorted({*public(BREAKER), *public(BREAKER.circuit("inventory-api"))})
)
def test_a_name_that_users_see_is_named_in_the_documentation(name: str) -> None:
    assert re.search(rf"[.`]{name}\b", TEXT)


def test_they_are_few() -> None:
    assert len(public(BREAKER)) <= 20
    assert len(public(BREAKER.circuit("inventory-api"))) <= 18
