"""The types that users see who check their code with mypy."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SAMPLES = ["accepted.py", "decorated.py"]

MYPY = ["--strict", "--no-error-summary", "--no-pretty", "--hide-error-context"]

LOST = """
from typing import Any, assert_type
from fastapi_hybrid_breaker import Circuit
async def fetch(sku: str) -> int: return len(sku)
async def run(circuit: Circuit) -> None:
    assert_type(await circuit.call(fetch, 'a'), Any)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def mypy(source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what mypy, strict and without any configuration file, reports of a file."""
    # As a user's checker meets it: the package is installed, its own code is not the subject.
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    monkeypatch.chdir(source.parent)
    arguments = ["--config-file=", f"--cache-dir={cache}", "--follow-imports=silent"]
    said, complaints, _ = api.run([*MYPY, *arguments, source.name])
    return said + complaints


@pytest.mark.parametrize("sample", SAMPLES)
def test_mypy_loses_types_of_guarded_code_or_takes_what_cannot_work(
    sample: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mypy(HERE / sample, cache, monkeypatch) == ""


def test_the_check_sees_a_lost_type(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "lost.py"
    source.write_text(LOST)

    assert 'Expression is of type "int", not "Any"' in mypy(source, cache, monkeypatch)
