"""What an index shows of the package, and what its source distribution holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
HATCH = PROJECT["tool"]["hatch"]
LINK = re.compile(r"\]\((?!https://)([^)]*)\)")


def page() -> str:
    """Return the README as the build makes the page of it."""
    hook = HATCH["metadata"]["hooks"]["fancy-pypi-readme"]
    text = "".join((ROOT / part["path"]).read_text() for part in hook["fragments"])
    for one in hook["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)
    return text


def test_a_link_on_the_page_of_an_index_leads_nowhere() -> None:
    readme = (ROOT / "README.md").read_text()
    links = LINK.findall(readme)
    assert links
    assert [link for link in links if not (ROOT / link.partition("#")[0]).exists()] == []
    assert LINK.findall(page()) == []
    assert "docs/fleet.md" in page()  # its name stays
    assert re.findall(r"```python\n.*?```", page(), re.DOTALL) == re.findall(
        r"```python\n.*?```", readme, re.DOTALL
    )


@pytest.mark.parametrize("name", ["Makefile", "constraints.txt", "constraints-lowest.txt"])
def test_the_source_distribution_lacks_what_its_tests_are_run_with(name: str) -> None:
    assert name in HATCH["build"]["targets"]["sdist"]["include"]


@pytest.mark.parametrize("name", HATCH["build"]["targets"]["sdist"]["include"])
def test_the_source_distribution_names_what_there_is_not(name: str) -> None:
    assert (ROOT / name).exists()
