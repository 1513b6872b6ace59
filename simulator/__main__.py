"""``python -m simulator [SEEDS] [--first N]``: as many seeds, each a history of its own."""

from __future__ import annotations

import argparse
import sys
import time

from .run import simulate
from .seeds import make_scenario
from .shrink import shorten


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=500, help="how many (default 500)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--verbose", action="store_true", help="print each history")
    options = parser.parse_args()
    begun = time.monotonic()
    for seed in range(options.first, options.first + options.seeds):
        result = simulate(make_scenario(seed))
        if options.verbose:
            print("\n".join(result.history))
        if result.violations:
            report(seed)
            return 1
    print(f"{options.seeds} seeds in {time.monotonic() - begun:.0f} s: everything held")
    return 0


def report(seed: int) -> None:
    """Print the shortest history with which a seed fails, and how to run it again."""
    scenario = shorten(make_scenario(seed), lambda shorter: bool(simulate(shorter).violations))
    result = simulate(scenario)
    print(f"seed {seed} fails; again: python -m simulator 1 --first {seed}")
    print(f"the shortest history found, of {scenario.instances} instances:")
    print("\n".join(f"  {line}" for line in result.history))
    print("what did not hold:")
    print("\n".join(f"  {line}" for line in dict.fromkeys(result.violations)))


if __name__ == "__main__":
    sys.exit(main())
