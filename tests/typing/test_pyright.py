"""The types that users see who check their code with pyright, or in an editor that does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastapi_hybrid_breaker
import fastapi_hybrid_breaker.telemetry
import fastapi_hybrid_breaker.testing

from .test_typing import HERE, LOST, ROOT, SAMPLES

PACKAGE = "fastapi_hybrid_breaker"
EXPORTED = {
    f"{module.__name__}.{name}"
    for module in (
        fastapi_hybrid_breaker,
        fastapi_hybrid_breaker.telemetry,
        fastapi_hybrid_breaker.testing,
    )
    for name in module.__all__
}


def pyright(folder: Path, *arguments: str) -> str:
    """Return what pyright prints, run where no configuration of ours is found."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "pyright", *arguments],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def complaints_of_pyright(folder: Path, *sources: Path) -> list[str]:
    """Return what pyright, strict, reports of copies of ``sources`` in ``folder``."""
    settings: dict[str, Any] = {
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "extraPaths": [str(ROOT)],
        "include": [source.name for source in sources],
    }
    for source in sources:
        (folder / source.name).write_text(source.read_text())
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    answer = json.loads(pyright(folder, "--outputjson"))
    assert answer["summary"]["filesAnalyzed"] == len(sources)
    return [
        f"{Path(one['file']).name}:{one['range']['start']['line'] + 1}: {one['message']}"
        for one in answer["generalDiagnostics"]
    ]


def test_pyright_loses_types_of_guarded_code_or_takes_what_cannot_work(tmp_path: Path) -> None:
    assert complaints_of_pyright(tmp_path, *(HERE / sample for sample in SAMPLES)) == []


def test_the_check_sees_a_lost_type(tmp_path: Path) -> None:
    source = tmp_path / "lost.py"
    source.write_text(LOST)
    folder = tmp_path / "settings"
    folder.mkdir()

    assert "assert_type" in "".join(complaints_of_pyright(folder, source))


@pytest.fixture(scope="module")
def completeness(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What pyright finds out about an installed package: which names have no complete type."""
    arguments = ["--verifytypes", PACKAGE, "--ignoreexternal", "--outputjson"]
    printed = pyright(tmp_path_factory.mktemp("verify"), *arguments)
    found: dict[str, Any] = json.loads(printed)["typeCompleteness"]
    return found


def incomplete(completeness: dict[str, Any]) -> dict[str, list[str]]:
    """Return what is missing, by name; first what has no annotation, as others follow from it."""
    missing = {
        symbol["name"]: [one["message"] for one in symbol["diagnostics"]]
        for symbol in completeness["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
    }
    return dict(sorted(missing.items(), key=lambda item: "partially unknown" in str(item[1])))


def test_a_name_that_can_be_imported_has_no_complete_type(completeness: dict[str, Any]) -> None:
    names = {symbol["name"] for symbol in completeness["symbols"]}
    classes = tuple(f"{name}." for name in EXPORTED)
    missing = incomplete(completeness)

    assert names >= EXPORTED
    assert {name: missing[name] for name in missing if name in EXPORTED} == {}
    assert {name: missing[name] for name in missing if name.startswith(classes)} == {}


def test_more_than_two_in_a_hundred_names_have_no_complete_type(
    completeness: dict[str, Any],
) -> None:
    assert completeness["completenessScore"] >= 0.98, incomplete(completeness)
