"""Many seeds on all cores: each process plays some, and reports those that fail."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Final

from .run import simulate
from .seeds import make_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CHUNK: Final = 10
"""Seeds that a process takes at once."""

_SHOW_EVERY: Final = 15.0
"""Seconds between two lines of progress."""


def processors() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def failing(
    seeds: Sequence[int], jobs: int, show: Callable[[str], object]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Play seeds and give those that fail, with what did not hold, in whatever order they end.

    Args:
        seeds: which.
        jobs: how many processes; 1: this one.
        show: takes lines about the progress.
    """
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    begun = shown = time.monotonic()
    done = 0
    for played, found in _all_played(chunks, min(jobs, len(chunks))):
        yield from found
        done += played
        now = time.monotonic()
        if now - shown > _SHOW_EVERY:
            shown = now
            show(f"{done} of {len(seeds)} seeds, {done / (now - begun):.1f} per second")


_Played = tuple[int, list[tuple[int, tuple[str, ...]]]]


def _all_played(chunks: list[Sequence[int]], jobs: int) -> Iterator[_Played]:
    if jobs <= 1:
        yield from map(_play, chunks)
        return
    # Not forked: what this process has done must not matter to them.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_play, chunks)


def _play(seeds: Sequence[int]) -> _Played:
    found = []
    for seed in seeds:
        violations = simulate(make_scenario(seed)).violations
        if violations:
            found.append((seed, violations))
    return len(seeds), found
