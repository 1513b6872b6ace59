"""What docs/architecture.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fastapi_hybrid_breaker"
TEXT = (ROOT / "docs" / "architecture.md").read_text()
FILES = sorted(set(re.findall(r"\b[a-z_]+(?:/[a-z_]+)+\.(?:py|lua)\b", TEXT)))


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_page_is_there(name: str) -> None:
    inside = name if not name.startswith("scripts/") else f"fleet/{name}"
    assert (PACKAGE / inside).is_file()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z]\w+\.[a-z_]+)`", TEXT))))
def test_every_method_of_the_page_is_there(name: str) -> None:
    kind, _, method = name.partition(".")
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    found = re.search(rf"^class {kind}\b.*?(?=^class |\Z)", source, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert re.search(rf"^    (?:async )?def {method}\b", found[0], re.MULTILINE)


def test_the_page_is_no_longer_than_two_screens() -> None:
    assert len(TEXT.splitlines()) <= 110
