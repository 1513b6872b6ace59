"""What is mutated, and which tests judge it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.fleet import scripts

from . import lua, python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .mutant import Mutant

PACKAGE: Final = "fastapi_hybrid_breaker"
SCRIPTS: Final = f"{PACKAGE}/fleet/scripts"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the package, with a score of its own."""

    name: str
    goal: float
    """The share of mutants that the tests are to kill."""
    folder: str
    pattern: str
    tests: tuple[str, ...]
    """Folders whose tests come to it; for scripts see ``files_for_script``."""

    def files(self, root: Path) -> list[str]:
        """Return its files, from the root of the tree."""
        found = (root / self.folder).glob(self.pattern)
        return sorted(path.relative_to(root).as_posix() for path in found)


PARTS: Final = {
    part.name: part
    for part in (
        Part("scripts", 0.90, SCRIPTS, "*.lua", ()),
        Part("core", 0.95, f"{PACKAGE}/core", "*.py", ("tests/core", "tests/circuits")),
        Part("circuits", 0.95, f"{PACKAGE}/circuits", "*.py", ("tests/circuits",)),
        Part("fleet", 0.85, f"{PACKAGE}/fleet", "*.py", ("tests/fleet",)),
    )
}

_FOR_SCRIPT: Final = {
    "circuit.lua": (
        *("test_script_circuit.py", "test_script_versions.py"),
        *("test_script_override.py", "test_script_override_ends.py"),
        *("test_script_basic.py", "test_script_values.py"),
    ),
    "evidence.lua": (
        *("test_script_evidence.py", "test_script_evidence_announced.py"),
        *("test_script_evidence_opening.py", "test_script_evidence_windows.py"),
    ),
    "lease.lua": ("test_script_lease.py", "test_script_probes.py"),
    "heartbeat.lua": ("test_script_heartbeat.py",),
}
"""Those that ask the scripts by themselves, at a time that does not pass: they are quick, and kill
nothing because the machine is busy."""

_LAST_FOR_SCRIPTS: Final = (
    "tests/simulator/test_script_comparisons.py",
    "tests/fleet/test_grammar.py",
)


def files_for_script(name: str) -> list[str]:
    """Return the files of tests that judge a script or a part of scripts, the quick ones first."""
    judged = [one for one in scripts.NAMES if name in scripts.parts_of(one)]
    by_turns = zip_longest(*(_FOR_SCRIPT[one] for one in judged))
    found = [f"tests/fleet/{file}" for turn in by_turns for file in turn if file is not None]
    return [*found, *_LAST_FOR_SCRIPTS]


def mutants_of(root: Path, file: str) -> Iterator[Mutant]:
    """Return all mutants of a file that can run at all."""
    text = (root / file).read_text(encoding="utf-8")
    if not file.endswith(".lua"):
        yield from python.mutants_of(file, text)
        return
    name = file.rpartition("/")[2]
    for mutant in lua.mutants_of(file, text):
        users = [one for one in scripts.NAMES if name in scripts.parts_of(one)]
        if all(lua.compiles(_script(root, one, mutant)) for one in users):
            yield mutant


def _script(root: Path, name: str, mutant: Mutant) -> str:
    """Return a whole script with a mutant in one of its parts."""
    texts = []
    for part in scripts.parts_of(name):
        file = f"{SCRIPTS}/{part}"
        text = (root / file).read_text(encoding="utf-8")
        texts.append(mutant.applied_to(text) if file == mutant.file else text)
    return "\n".join(texts)


def sample(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """Return ``size`` of them, the same for the same seed, in the order of the text."""
    if size <= 0 or size >= len(mutants):
        return mutants
    chosen = random.Random(seed).sample(range(len(mutants)), size)
    return [mutants[at] for at in sorted(chosen)]
