"""The types that users' checkers see, checked by one."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

ACCEPTED = Path(__file__).with_name("accepted.py")
ROOT = Path(__file__).parents[2]

STRICT = ["--strict", "--no-error-summary", "--no-pretty", "--hide-error-context"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def check(source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give what mypy, strict and without any configuration file, says about a file."""
    # As a user's checker meets it: the package is installed, its own code is not the subject.
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    monkeypatch.chdir(source.parent)
    arguments = ["--config-file=", f"--cache-dir={cache}", "--follow-imports=silent"]
    said, complaints, _ = api.run([*STRICT, *arguments, source.name])
    return said + complaints


def test_guarding_keeps_types_and_refuses_what_cannot_work(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check(ACCEPTED, cache, monkeypatch) == ""


def test_the_check_sees_a_lost_type(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "lost.py"
    source.write_text(
        "from typing import Any, assert_type\n"
        "from fastapi_hybrid_breaker import Circuit\n"
        "async def fetch(sku: str) -> int: return len(sku)\n"
        "async def run(circuit: Circuit) -> None:\n"
        "    assert_type(await circuit.call(fetch, 'a'), Any)\n"
    )

    assert 'Expression is of type "int", not "Any"' in check(source, cache, monkeypatch)
