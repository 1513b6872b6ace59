"""The words of the code: those of its field, so that a reader need not learn ours first."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "fastapi_hybrid_breaker"

IMPERATIVES = re.compile(r"^(?:Give|Tell|Take|Have)s?\b")
"""How no docstring begins: Return, Whether, Record, Make, Send ... say what is done."""

PRIVATE = re.compile(
    r"\b(?:told|tells?|telling|news|verdicts?|errands?|agenda|aloud|plain[- ]speakers?|heeded)\b",
    re.IGNORECASE,
)
"""Words that stand for report, update, outcome, action, honor ..."""

SPOKEN = ("client", "telemetry", "cli", "web")
"""Folders of the package whose comments and texts are free of them; also the files at its top."""


def python_files(*folders: str) -> list[Path]:
    found = []
    for folder in folders:
        found += [path for path in (ROOT / folder).rglob("*.py") if "previous" not in path.parts]
    assert found
    return sorted(found)


def texts_of(source: str) -> list[tuple[int, str]]:
    """Return comments and string literals, docstrings among them, with the lines they begin in."""
    wanted = {tokenize.COMMENT, tokenize.STRING}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [(one.start[0], one.string) for one in tokens if one.type in wanted]


def docstrings_of(source: str) -> list[tuple[int, str]]:
    return [
        (line, text.lstrip("rf").strip('"').strip())
        for line, text in texts_of(source)
        if text.lstrip("rf").startswith('"""')
    ]


def javascript_texts_of(source: str) -> list[str]:
    """Return comments, and what stands between quotes."""
    return re.findall(r'//[^\n]*|/\*.*?\*/|"[^"\n]*"|`[^`]*`|>[^<>]+<', source, re.DOTALL)


def test_no_docstring_begins_with_give_tell_take_or_have() -> None:
    folders = ("fastapi_hybrid_breaker", "demo_app", "simulator", "benchmarks", "tests")
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in python_files(*folders)
        for line, text in docstrings_of(path.read_text())
        if IMPERATIVES.match(text)
    ]
    assert found == []


@pytest.mark.parametrize("folder", SPOKEN)
def test_comments_and_texts_speak_the_words_of_the_field(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in python_files(f"fastapi_hybrid_breaker/{folder}")
        for line, text in texts_of(path.read_text())
        if PRIVATE.search(text)
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["core", "circuits", "demo_app", "simulator", "benchmarks"])
def test_comments_do_so_in_the_other_folders_too(folder: str) -> None:
    """Names of the code may stand in them, as ``News`` does."""
    where = folder if (ROOT / folder).is_dir() else f"fastapi_hybrid_breaker/{folder}"
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in python_files(where)
        for line, text in texts_of(path.read_text())
        if PRIVATE.search(re.sub(r"``[^`]*``|opened by news", "", text))
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_the_files_at_the_top_speak_them(path: Path) -> None:
    found = [text for _, text in texts_of(path.read_text()) if PRIVATE.search(text)]
    assert found == []


def test_the_console_speaks_them() -> None:
    console = PACKAGE / "web" / "console"
    files = [*console.glob("*.js"), *console.glob("*.html")]
    assert files
    found = [
        f"{path.name}: {text.strip()}"
        for path in files
        for text in javascript_texts_of(path.read_text())
        if PRIVATE.search(text) or re.match(r"/\*\*\s*(?:Give|Tell|Take|Have)s?\b", text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    ["# the fleet is told\n", 'raise Error("no news")\n', 'def f():\n    """A verdict."""\n'],
)
def test_private_words_are_seen_wherever_they_stand(source: str) -> None:
    assert any(PRIVATE.search(text) for _, text in texts_of(source))
