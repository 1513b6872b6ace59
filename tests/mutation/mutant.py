"""A small change of one file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """The characters from ``start`` to ``end`` of a file, and what takes their place."""

    file: str
    """From the root of the tree."""
    start: int
    end: int
    replacement: str
    change: str
    """What a report says, such as ``< -> <=``."""
    line: int
    code: str
    """The line as it stands there, without what is around it."""
    column: int
    """Where in that the change begins."""

    def applied_to(self, text: str) -> str:
        """Return the text of the file with this change."""
        return text[: self.start] + self.replacement + text[self.end :]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}   [{self.change}]"


def make(
    file: str, text: str, start: int, end: int, replacement: str, change: str | None = None
) -> Mutant:
    """Make the mutant of ``text``, and find its line."""
    line = text.count("\n", 0, start)
    if change is None:
        change = f"{_short(text[start:end])} -> {_short(replacement)}"
    whole = text.splitlines()[line]
    code = whole.strip()
    column = start - (text.rfind("\n", 0, start) + 1) - whole.index(code)
    return Mutant(file, start, end, replacement, change, line + 1, code, column)


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= 60 else joined[:57] + "..."
