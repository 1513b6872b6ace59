"""``python -m simulator [SEEDS] [--first N] [--jobs N]``: as many seeds, each its own history."""

from __future__ import annotations

import argparse
import sys
import time

from .run import simulate
from .seeds import make_scenario
from .shrink import shorten
from .workers import failing, processors


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=500, help="how many (default 500)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument(
        "--jobs", type=int, default=processors(), help="processes at work (default: all cores)"
    )
    parser.add_argument("--verbose", action="store_true", help="print each history")
    parser.add_argument("--all", action="store_true", help="list all that fail, shorten none")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    begun = time.monotonic()
    for seed in seeds if options.verbose else ():
        print(f"seed {seed}: {simulate(make_scenario(seed))}\n")
    failed = 0
    for seed, violations in failing(seeds, options.jobs, show=print):
        failed += 1
        print(f"seed {seed} fails: {violations[0]}", flush=True)
        if not options.all:
            report(seed)
            return 1
    took = time.monotonic() - begun
    outcome = f"{failed} failed" if failed else "everything held"
    print(f"{len(seeds)} seeds in {took:.0f} s, {len(seeds) / took:.1f} per second: {outcome}")
    return 1 if failed else 0


def report(seed: int) -> None:
    """Print the shortest history with which a seed fails, and how to run it again."""
    print(f"again: python -m simulator 1 --first {seed}; looking for a shorter one", flush=True)
    scenario = shorten(make_scenario(seed), lambda shorter: bool(simulate(shorter).violations))
    result = simulate(scenario)
    print(f"the shortest history found, and what did not hold:\n\n{result}")


if __name__ == "__main__":
    sys.exit(main())
