"""What the terminal shows: drawn again and again on a real one, line by line elsewhere."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from .tables import services_table, shops_table, status_lines

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType

    from .stage import Stage

_PAUSE = 0.125
"""Seconds between two drawings."""
_NARROWEST = 100


class Display:
    """Shows the stage and the steps of the story.

    Without a terminal (a pipe, a CI log) nothing is drawn twice: each step is a line when it
    begins and a few when it ends.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = max(self._console.width, _NARROWEST)
        self._stage: Stage | None = None
        self._current = ""
        self._began = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._draw()
            self._live.stop()
            self._live = None

    def show(self, stage: Stage) -> None:
        """Name what is on show."""
        self._stage = stage

    async def keep_drawing(self) -> None:
        """Draw eight times a second until cancelled."""
        while True:
            self._draw()
            await asyncio.sleep(_PAUSE)

    def begin(self, step: str) -> None:
        """Say which step begins."""
        self._current = step
        if self._live is None:
            self._print(Text(f"{self._elapsed()} … {step}"))

    def end(self, step: str, seen: str) -> None:
        """Say what a step has shown."""
        self._current = ""
        # On a terminal this stands above what is drawn live, and stays.
        self._print(
            Text.assemble(f"{self._elapsed()} ", ("✓ ", "green"), (step, "bold"), f": {seen}")
        )
        if self._live is None and self._stage is not None:
            for line in status_lines(self._stage):
                self._print(Text(f"          {line}"))

    def fail(self, step: str, reason: str) -> None:
        """Say which step did not happen."""
        self._current = ""
        message = Text.assemble(("step failed: ", "bold red"), (step, "bold"), f": {reason}")
        self._print(message)

    def summarise(self, stage: Stage) -> None:
        """Show the measured figures."""
        table = Table(title="Measured", title_justify="left", show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for what, value in stage.figures:
            table.add_row(escape(what), escape(value))
        self._print(table)

    def say(self, line: str) -> None:
        """Print a line."""
        self._print(Text(line))

    def _print(self, what: RenderableType) -> None:
        self._console.print(what, soft_wrap=isinstance(what, Text))

    def _elapsed(self) -> str:
        return f"[{time.monotonic() - self._began:5.1f} s]"

    def _draw(self) -> None:
        if self._live is None or self._stage is None:
            return
        now = Text.assemble(f"{self._elapsed()} ", ("▶ ", "yellow"), (self._current, "bold"))
        if not self._current:
            now = Text()
        tables = (shops_table(self._stage), services_table(self._stage))
        self._live.update(Group(now, *tables), refresh=True)
