"""The table of rooms in CONTRIBUTING.md is the one that the contracts of the imports have."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def layers() -> list[set[str]]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    found = [one for one in told["contracts"] if one["type"] == "layers"]
    assert len(found) == 1
    return [set(layer.split(" | ")) for layer in found[0]["layers"]]


def rows() -> list[set[str]]:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("| room | does |")[2].partition("\n\n")[0]
    return [
        {name.rstrip("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", row[1])}
        for row in (line.split("|") for line in table.splitlines()[2:])
    ]


def test_the_table_of_rooms_is_that_of_the_contracts() -> None:
    assert rows() == layers()


def test_every_module_of_the_package_has_a_room() -> None:
    package = ROOT / "fastapi_hybrid_breaker"
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py"}
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    assert set().union(*layers()) == modules - {"__init__"} | folders
