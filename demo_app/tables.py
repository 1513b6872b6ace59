"""The stage as tables, and as plain lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from .traffic import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .stage import Stage

_COLOURS = {
    "CLOSED": "green",
    "OPEN": "bold red",
    "HALF_OPEN": "bold yellow",
    "connected": "green",
    "isolated": "yellow",
}


def shops_table(stage: Stage) -> Table:
    """One row per shop: its circuit, its link to the fleet, and what its customers got."""
    table = Table(title="inventory-api at each shop", title_justify="left")
    table.add_column("shop", style="bold")
    table.add_column("circuit", min_width=9)
    table.add_column("fleet", min_width=9)
    for heading in ("req/s", *Answer):
        table.add_column(heading, justify="right", min_width=5)
    for shop in stage.shops:
        table.add_row(
            shop.name,
            _coloured(shop.state),
            _coloured(shop.sync),
            f"{shop.tally.rate():.0f}",
            *(str(shop.tally.counts[answer]) for answer in Answer),
        )
    return table


def services_table(stage: Stage) -> Table:
    """What the shops lean on."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column()
    upstream = stage.upstream
    mood = Text("broken", "bold red") if upstream.broken else Text("healthy", "green")
    table.add_row("upstream", Text.assemble(mood, f", {upstream.calls} calls so far"))
    valkey = stage.cast.valkey
    if valkey is None:
        table.add_row("redis", "the one named by REDIS_URL")
    elif valkey.is_running():
        table.add_row("valkey", Text("running", "green"))
    else:
        table.add_row("valkey", Text("down", "bold red"))
    return table


def status_lines(stage: Stage) -> Iterator[str]:
    """The same for a log."""
    for shop in stage.shops:
        counts = "  ".join(f"{answer} {shop.tally.counts[answer]}" for answer in Answer)
        rate = shop.tally.rate()
        yield f"{shop.name} {shop.state:9} {shop.sync:9} {rate:3.0f} req/s  {counts}"
    mood = "broken" if stage.upstream.broken else "healthy"
    yield f"upstream {mood}, {stage.upstream.calls} calls so far"


def _coloured(word: str) -> Text:
    return Text(word, _COLOURS.get(word, "dim"))
