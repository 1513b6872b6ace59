"""Of the tests themselves: files of a size to read, and what is private reached in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = {
    str(path.relative_to(TESTS)): path
    for path in sorted(TESTS.rglob("*.py"))
    if path.parent.name != "previous"
}

LINES = 350

HELPERS = {
    "inside.py": "a circuit, its core, the registry",
    "fleet/sessions.py": "the exchange with the fleet",
    "events/channels.py": "a channel of events",
    "telemetry/collected.py": "instruments",
    "cli/command.py": "the command",
}
"""Who may read what is private, of what."""

FOREIGN = {
    "_available_connections": "redis-py has no other way to see whether one is open",
    "_exit": "os: end a child process without the clean-up of its parent",
    "_is_owned": "threading.RLock",
    "_log_destroy_pending": "asyncio.Task",
    "_run_once": "asyncio's event loop",
}
"""Private names of others."""


def private_reads(source: str) -> list[tuple[int, str]]:
    """Find names with an underscore that are looked up in something else than ``self``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}):
                names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").startswith("fastapi_hybrid_breaker"):
                names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if called in {"setattr", "getattr", "delattr"}:
                names = [
                    one.value.rpartition(".")[2]
                    for one in node.args[:2]
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                ]
        found += [
            (node.lineno, name)
            for name in names
            if name.startswith("_") and not name.startswith("__") and name not in FOREIGN
            if not name.isupper()  # the constants of a module, which a test may shorten
        ]
    return found


def test_a_file_of_tests_is_short_enough_to_read() -> None:
    lines = {name: path.read_text().count("\n") for name, path in FILES.items()}
    too_long = {name: count for name, count in lines.items() if count > LINES}
    assert too_long == {}, "split them by subject"


def test_what_is_private_is_reached_through_the_helper_of_its_subject() -> None:
    found = {
        name: private_reads(path.read_text()) for name, path in FILES.items() if name not in HELPERS
    }
    assert {name: reads for name, reads in found.items() if reads} == {}, sorted(HELPERS)


def test_every_helper_is_needed() -> None:
    assert [name for name in HELPERS if not private_reads(FILES[name].read_text())] == []


@pytest.mark.parametrize(
    "source",
    [
        "circuit._locked",
        "circuit.x()._lock.acquire()",
        "channels[0]._ring = 1",
        "from fastapi_hybrid_breaker.circuits.context import _permit",
        "monkeypatch.setattr(Hand, '_order', None)",
        "monkeypatch.setattr('fastapi_hybrid_breaker.cli.steering.Hand._order', None)",
        "getattr(circuit, '_host')",
    ],
)
def test_ways_to_read_what_is_private_are_seen(source: str) -> None:
    assert private_reads(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "self._lock",
        "os._exit(0)",
        "x.__dict__",
        "lock._is_owned()",
        "setattr(session, '_WITHIN', 1)",
    ],
)
def test_what_is_a_tests_own_or_of_others_is_no_matter(source: str) -> None:
    assert private_reads(source) == []
