"""Tables as they are, and as Markdown or on the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Table:
    """A title, what the columns are, and rows of texts; the first column names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """Return it as Markdown."""
        lines = [f"**{self.title}**", ""]
        lines.append(_line(self.columns))
        lines.append(_line(("---", *("---:" for _ in self.columns[1:]))))
        lines += [_line(row) for row in self.rows]
        if self.note:
            lines += ["", self.note]
        return "\n".join(lines)

    def show(self, console: Console) -> None:
        """Print it."""
        from rich.table import Table as RichTable  # noqa: PLC0415 - only to print

        table = RichTable(title=self.title, title_justify="left", caption=self.note or None)
        for at, column in enumerate(self.columns):
            table.add_column(column, justify="left" if at == 0 else "right")
        for row in self.rows:
            table.add_row(*row)
        console.print(table)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def duration(nanoseconds: float) -> str:
    """Write a time with the unit that fits it, in three figures."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{three(nanoseconds / size)} {unit}"
    return f"{nanoseconds:.0f} ns"


def three(number: float) -> str:
    """Write a number in three figures, or more before the point."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"
