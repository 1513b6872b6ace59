"""A copy of the tree in which mutants live, and the process that judges them there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from .mutant import Mutant

_HERE: Final = Path(__file__).parents[2]

_LEFT_OUT: Final = (".git", ".venv*", ".hypothesis", ".*_cache", "dist", "results", "*.pyc")

_OPTIONS: Final = (
    *("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"),
    *("-m", "not slow"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # some plugins are imported before
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said of a mutant."""

    killed: bool
    by: str
    seconds: float


class Workspace:
    """A copy of the tree ``root`` below ``folder``, one mutant at a time.

    ``collected`` are files of tests that are imported once, for mutants of scripts alone: these are
    read again for each. Without them all is imported anew for a mutant.
    """

    def __init__(self, root: Path, folder: Path, collected: Sequence[str] = ()) -> None:
        self.root = root
        self.tree = folder / "tree"
        self._collected = collected
        self._judge: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        shutil.copytree(self.root, self.tree, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        path = os.pathsep.join((str(self.tree), str(_HERE)))
        environment = {**os.environ, "PYTHONPATH": path}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        # Their standard input is where jobs come from: it is not to be captured.
        collected = (*_OPTIONS, "-s", *self._collected) if self._collected else ()
        self._judge = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.judge", *collected],
            cwd=self.tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._judge is not None:
            self._judge.__exit__(kind, error, traceback)  # closes its input, which ends it

    def try_out(
        self, mutant: Mutant | None, files: Sequence[str], seconds: float, only: Sequence[str] = ()
    ) -> Verdict:
        """Run the tests with this change, or, to see that they pass, without one.

        ``only`` are those of the files' tests to be run, in this order; empty: all.
        """
        if mutant is None:
            return self._ask(files, seconds, only)
        path = self.tree / mutant.file
        text = path.read_text(encoding="utf-8")
        path.write_text(mutant.applied_to(text), encoding="utf-8")
        # Compiled files are recognised by their size and second, which a mutant may share.
        Path(cache_from_source(str(path))).unlink(missing_ok=True)
        try:
            return self._ask(files, seconds, only)
        finally:
            path.write_text(text, encoding="utf-8")
            Path(cache_from_source(str(path))).unlink(missing_ok=True)

    def output(self) -> str:
        """Return what pytest wrote last."""
        return (self.tree / "mutation.out").read_text(encoding="utf-8", errors="replace")

    def _ask(self, files: Sequence[str], seconds: float, only: Sequence[str]) -> Verdict:
        judge = self._judge
        if judge is None or judge.stdin is None or judge.stdout is None:
            raise RuntimeError("not entered")
        arguments = [*_OPTIONS, *files]
        job = {"arguments": arguments, "seconds": seconds, "only": list(only)}
        judge.stdin.write(json.dumps(job) + "\n")
        judge.stdin.flush()
        answer = json.loads(judge.stdout.readline())
        by = "no end in time" if answer["code"] is None else answer["failed"] or "pytest itself"
        return Verdict(answer["code"] != 0, by, answer["seconds"])
