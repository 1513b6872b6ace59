"""The survivors that stay, and why: ``survivors.toml`` beside this file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .mutant import Mutant

LISTED: Final = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True, slots=True)
class Listed:
    """A survivor that is known. It is found again by its line's text, wherever that stands."""

    file: str
    code: str
    column: int
    """Where in the line the change begins."""
    change: str
    why: str
    equivalent: bool = False
    """Whether nobody can tell it from the code as it is: counts as killed."""

    def is_about(self, mutant: Mutant) -> bool:
        """Return whether this is that change."""
        return (
            mutant.file.endswith(f"/{self.file}")
            and (mutant.code, mutant.column) == (self.code, self.column)
            and mutant.change == self.change
        )


def read(path: Path = LISTED) -> tuple[Listed, ...]:
    """Return all that are listed."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", ())
    return tuple(Listed(**entry) for entry in entries)
