"""Judges many mutants, some at a time."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import covering
from .plan import files_for_script
from .workspace import Verdict, Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from .mutant import Mutant
    from .plan import Part

_FACTOR: Final = 3.0
_SLACK: Final = 20.0
"""A mutant has this many times as long as the tests without it, and these seconds more."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a mutant."""

    mutant: Mutant
    verdict: Verdict


class Campaign:
    """Judges mutants of one tree, each worker in a copy of its own below ``folder``."""

    def __init__(self, root: Path, folder: Path, workers: int, tests: tuple[str, ...] = ()) -> None:
        self._root = root
        self._folder = folder
        self._workers = workers
        self._tests = tests
        """Instead of those that would be chosen."""
        self._lock = threading.Lock()
        self._lasted: dict[tuple[str, ...], float] = {}
        self._covering: covering.Covering | None = None
        self._errors: list[Exception] = []
        self._started = 0

    def run(self, part: Part, mutants: list[Mutant]) -> list[Result]:
        """Judge all, and return what became of them in the order of the text."""
        done: list[Result] = []
        if part.name == "scripts":
            by_tests: dict[tuple[str, ...], list[Mutant]] = {}
            for mutant in mutants:
                by_tests.setdefault(tuple(self._files(mutant)), []).append(mutant)
            for files, some in by_tests.items():
                self._share(some, done, files)
        else:
            self._covering = None
            if not self._tests:
                with self._workspace() as space:
                    self._covering = covering.measure(space.tree, part.folder, part.tests)
            self._share(mutants, done)
        return sorted(done, key=lambda one: (one.mutant.file, one.mutant.start))

    def _share(
        self, mutants: list[Mutant], done: list[Result], collected: tuple[str, ...] = ()
    ) -> None:
        waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        for mutant in mutants:
            waiting.put(mutant)
        threads = [
            threading.Thread(target=self._work, args=(waiting, done, collected))
            for _ in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _workspace(self, collected: tuple[str, ...] = ()) -> Workspace:
        with self._lock:
            self._started += 1
            return Workspace(self._root, self._folder / str(self._started), collected)

    def _work(
        self,
        waiting: queue.SimpleQueue[Mutant],
        done: list[Result],
        collected: tuple[str, ...],
    ) -> None:
        try:
            with self._workspace(collected) as space:
                while not self._errors:
                    try:
                        mutant = waiting.get_nowait()
                    except queue.Empty:
                        return
                    result = Result(mutant, self._judge(space, mutant))
                    done.append(result)
                    self._say(result, len(done))
        except Exception as error:
            self._errors.append(error)
            raise

    def _say(self, result: Result, number: int) -> None:
        verdict = result.verdict
        said = f"killed by {verdict.by}" if verdict.killed else "SURVIVED"
        print(f"{number:5} {verdict.seconds:5.1f} s  {result.mutant}  {said}", flush=True)

    def _judge(self, space: Workspace, mutant: Mutant) -> Verdict:
        if self._covering is not None and not mutant.file.endswith(".lua"):
            chosen = self._covering.judges_of(mutant)
            lasts = sum(self._covering.seconds[one] for one in chosen)
            files = list(dict.fromkeys(one.partition("::")[0] for one in chosen))
            return space.try_out(mutant, files, _SLACK + _FACTOR * lasts, chosen)
        files = self._files(mutant)
        return space.try_out(mutant, files, _SLACK + _FACTOR * self._lasts(space, files))

    def _files(self, mutant: Mutant) -> list[str]:
        return list(self._tests) or files_for_script(mutant.file.rpartition("/")[2])

    def _lasts(self, space: Workspace, files: list[str]) -> float:
        """Return how long these tests take without a mutant. They must pass."""
        key = tuple(sorted(files))
        with self._lock:
            if key not in self._lasted:
                verdict = space.try_out(None, files, 3600.0)
                if verdict.killed:
                    raise RuntimeError(f"fails without a mutant: {verdict.by}\n{space.output()}")
                self._lasted[key] = verdict.seconds
            return self._lasted[key]
