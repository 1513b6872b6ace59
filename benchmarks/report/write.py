"""From the figures to what people read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import others
from .calls import tables as tables_of_calls
from .page import fill
from .plot import draw
from .targets import table as table_of_targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.parts import Figures

    from .tables import Table

TABLES: dict[str, Callable[[Figures], list[Table]]] = {
    "calls": tables_of_calls,
    "sharing": others.sharing,
    "routes": others.routes,
    "transport": others.transport,
    "scale": others.scale,
}


def figures_of(results: dict[str, Any]) -> dict[str, Figures]:
    """Return the figures by part."""
    return {name: part["figures"] for name, part in results["parts"].items()}


def pieces(results: dict[str, Any]) -> dict[str, str]:
    """Return the Markdown by name of the part, with ``machine`` and ``targets``."""
    found = {"machine": machine(results)}
    for name, figures in figures_of(results).items():
        found[name] = "\n\n".join(table.markdown() for table in TABLES[name](figures))
    found["targets"] = table_of_targets(figures_of(results)).markdown()
    return found


def machine(results: dict[str, Any]) -> str:
    """Return on what, with what, and beside how much other work it was measured."""
    machine = results["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    loads = "; ".join(
        f"{name} {part['load'][0]} to {part['load'][1]}" for name, part in results["parts"].items()
    )
    left_out = "".join(
        f"\n- left out: {name} ({reason})" for name, reason in results["left_out"].items()
    )
    return (
        f"- {machine['processor']}, {machine['cores']} cores, {machine['system']}\n"
        f"- {machine['implementation']} {machine['python']}"
        f"{'' if machine['gil'] else ' without the GIL'}, the default event loop\n"
        f"- load of the machine while it was measured: {loads}\n"
        f"- {libraries}{left_out}"
    )


def write_markdown(results: dict[str, Any], path: Path) -> None:
    """Write all tables, one part after the other."""
    texts = pieces(results)
    path.write_text("\n\n".join(f"## {name}\n\n{text}" for name, text in texts.items()) + "\n")


def write_page(results: dict[str, Any], page: Path, picture: Path) -> None:
    """Put tables and plot into the documentation."""
    page.write_text(fill(page.read_text(), pieces(results)))
    draw(figures_of(results), picture)
