"""Which tests of a folder run which lines of the package.

For tests that take long together: a mutant is judged by those that come to its line.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import coverage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .mutant import Mutant

LONGEST: Final = 45.0
"""Seconds that the tests of one mutant may take, the quickest first."""


@dataclass(frozen=True, slots=True)
class Covering:
    """How long each test takes, and which come to which line of which file."""

    seconds: dict[str, float]
    tests: dict[tuple[str, int], frozenset[str]] = field(default_factory=dict)

    def judges_of(self, mutant: Mutant) -> list[str]:
        """Return the tests for a mutant: those named like its file first, then the quickest.

        A line that runs at import is judged by all tests.
        """
        name = mutant.file.rpartition("/")[2].removesuffix(".py")
        found = self.tests.get((mutant.file, mutant.line)) or frozenset(self.seconds)
        known = (one for one in found if one in self.seconds)
        order = sorted(known, key=lambda one: (f"/test_{name}" not in one, self.seconds[one], one))
        chosen: list[str] = []
        spent = 0.0
        for test in order:
            spent += self.seconds[test]
            if spent > LONGEST and chosen:
                break
            chosen.append(test)
        return chosen


def measure(tree: Path, package: str, tests: Sequence[str]) -> Covering:
    """Run the tests once in a copy of the tree, two at a time."""
    report = tree / "mutation.xml"
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *tests, "-q", "-m", "not slow", "-n", "2"),
            *("-p", "no:cacheprovider", f"--cov={package}", "--cov-context=test"),
            *("--cov-report=", "--cov-fail-under=0", f"--junitxml={report}"),
        ],
        cwd=tree,
        check=False,
        stdout=sys.stderr,
    )
    seconds = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own
        if case.find("failure") is None and case.find("error") is None:
            module = case.attrib["classname"].replace(".", "/")
            seconds[f"{module}.py::{case.attrib['name']}"] = float(case.attrib["time"])
    return Covering(seconds, _tests_by_line(tree))


def _tests_by_line(tree: Path) -> dict[tuple[str, int], frozenset[str]]:
    data = coverage.CoverageData(str(tree / ".coverage"))
    data.read()
    found = {}
    for path in data.measured_files():
        file = path.removeprefix(f"{tree}/")
        for line, contexts in data.contexts_by_lineno(path).items():
            tests = frozenset(one.partition("|")[0] for one in contexts if one)
            if tests:
                found[file, line] = tests
    return found
