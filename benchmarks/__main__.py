"""``python -m benchmarks``: measures, prints, and writes JSON, Markdown and a plot."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from . import machine
from .calls import part as calls
from .ending import end_in_order_when_asked
from .parts import Order
from .peers.check import AdapterError, check
from .peers.load import PEERS, load
from .peers.ours import Ours
from .report.plot import draw
from .report.targets import table as table_of_targets
from .report.write import TABLES, figures_of, write_markdown, write_page
from .routes import part as routes
from .scale import part as scale
from .sharing import part as sharing
from .transport import part as transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .parts import Figures
    from .peers.adapter import Adapter

PARTS: Final[dict[str, Callable[[Order], Awaitable[Figures]]]] = {
    "calls": calls.run,
    "routes": routes.run,
    "transport": transport.run,
    "sharing": sharing.run,
    "scale": scale.run,
}

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="our calls in memory, in a minute")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part")
    parser.add_argument("--effort", type=float, default=1.0, help="times the usual rounds (1)")
    parser.add_argument("--json", type=Path, help="where the figures go, and those of before are")
    parser.add_argument("--page", action="store_true", help="put all into docs/performance.md")
    parser.add_argument("--report", action="store_true", help="measure nothing, read the figures")
    options = parser.parse_args(arguments)
    if not options.effort > 0:
        parser.error("--effort must be above 0")
    if options.quick and (options.part or options.page or options.report):
        parser.error("--quick goes with neither --part nor --page nor --report")
    name = "quick.json" if options.quick else "bench.json"
    options.json = options.json or RESULTS / name
    options.part = ["calls"] if options.quick else options.part or list(PARTS)
    return options


def main() -> int:
    options = read_options()
    # Records are made as in any program that logs, but nothing is written: that would be timed.
    logging.getLogger().addHandler(logging.NullHandler())
    console = Console(width=150)
    results = _of_before(options)
    if not options.report:
        try:
            asyncio.run(_measure(options, results, console))
        except asyncio.CancelledError:
            return 130
    elif not results["parts"]:
        sys.stderr.write(f"{options.json} has no figures to report\n")
        return 1
    else:
        for name, figures in figures_of(results).items():
            _show(name, figures, console)
    table_of_targets(figures_of(results)).show(console)
    if not options.quick:
        write_markdown(results, options.json.with_suffix(".md"))
        draw(figures_of(results), options.json.with_suffix(".svg"))
    if options.page:
        write_page(results, PAGE, PICTURE)
    return 0


async def _measure(options: argparse.Namespace, results: dict[str, Any], console: Console) -> None:
    """Measure part by part; what is measured is written at once."""
    end_in_order_when_asked()
    peers = () if options.quick else await _checked(results, console)
    results["machine"] = machine.describe(peer.name for peer in peers)
    order = Order(options.effort, peers, is_quick=options.quick)
    for name in options.part:
        sys.stderr.write(f"measuring: {name}\n")
        load_before, begun = os.getloadavg()[0], time.monotonic()
        figures = await PARTS[name](order)
        results["parts"][name] = {
            "at": int(time.time()),
            "seconds": round(time.monotonic() - begun, 1),
            "effort": options.effort,
            "load": [round(load_before, 2), round(os.getloadavg()[0], 2)],
            "figures": figures,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")
        _show(name, figures, console)


async def _checked(results: dict[str, Any], console: Console) -> tuple[Adapter, ...]:
    """Return the peers that do what is measured; ours must.

    Raises:
        AdapterError: ours does not.
    """
    await check(Ours())
    loaded = load()
    left_out = {**loaded.left_out, **_not_installed()}
    working = []
    for peer in loaded.adapters:
        try:
            await check(peer)
        except AdapterError as error:
            left_out[peer.name] = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's code raises
            left_out[peer.name] = f"{type(error).__name__}: {error}"
        else:
            working.append(peer)
    for name, reason in left_out.items():
        console.print(f"left out: {name}: {reason}")
    results["left_out"] = left_out
    return tuple(working)


def _not_installed() -> dict[str, str]:
    """Return the reasons that were noted when the environment was made."""
    path = Path(sys.prefix) / "left-out.json"
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return {name: reason for name, reason in found.items() if name in PEERS}


def _of_before(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures that stay: of the parts that are not measured now."""
    empty: dict[str, Any] = {"machine": {}, "left_out": {}, "parts": {}}
    if options.quick or not options.json.exists():
        return empty
    found: dict[str, Any] = json.loads(options.json.read_text())
    return found


def _show(name: str, figures: Figures, console: Console) -> None:
    for table in TABLES[name](figures):
        table.show(console)


if __name__ == "__main__":
    sys.exit(main())
