"""``python -m tests.mutation``: change the code in small ways, and report what no test notices."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from .campaign import Campaign, Result
from .plan import PARTS, Part, mutants_of, sample
from .survivors import Listed, read

ROOT: Final = Path(__file__).parents[2]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants ARGS=...", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them")
    parser.add_argument("--size", type=int, default=300, help="mutants of each part; 0: all")
    parser.add_argument("--scripts-size", type=int, default=0, help="of the scripts; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="which of them")
    parser.add_argument("--workers", type=int, default=2, help="how many at once")
    parser.add_argument("--only", default="", help="only files whose name has this in it")
    parser.add_argument("--tests", nargs="*", default=[], help="judge by these files alone")
    return parser.parse_args()


def _report(part: Part, results: list[Result], listed: tuple[Listed, ...], equivalent: int) -> bool:
    """Print what became of one part's mutants; return whether its goal is reached."""
    by_file: Counter[str] = Counter()
    for result in results:
        if result.verdict.killed:
            continue
        known = next((one for one in listed if one.is_about(result.mutant)), None)
        by_file[result.mutant.file] += 1
        print(f"survived  {result.mutant}" + (f"  listed: {known.why}" if known else ""))
    for file, count in by_file.most_common():
        print(f"{count:5}  {file}")
    every = len(results) + equivalent
    killed = every - by_file.total()
    score = killed / max(1, every)
    print(
        f"{part.name}: {killed} of {every} killed, {score:.1%}; goal {part.goal:.0%}"
        f" ({equivalent} are listed as equivalent and were not tried)\n"
    )
    return score >= part.goal


def main() -> int:
    """Run the mutants of the parts that were asked for."""
    asked = _arguments()
    listed = read()
    reached = True
    print(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(ROOT, Path(folder), asked.workers, tuple(asked.tests))
        for part in [PARTS[name] for name in asked.parts or PARTS]:
            began = time.monotonic()
            files = [file for file in part.files(ROOT) if asked.only in file]
            every = [mutant for file in files for mutant in mutants_of(ROOT, file)]
            size = asked.scripts_size if part.name == "scripts" else asked.size
            chosen = sample(every, size, asked.seed)
            print(f"{part.name}: {len(chosen)} of {len(every)} mutants", flush=True)
            equal = [one for one in listed if one.equivalent]
            tried = [one for one in chosen if not any(known.is_about(one) for known in equal)]
            results = campaign.run(part, tried)
            reached &= _report(part, results, listed, len(chosen) - len(tried))
            print(f"{part.name}: {time.monotonic() - began:.0f} s\n", flush=True)
    return 0 if reached else 1


if __name__ == "__main__":
    raise SystemExit(main())
