"""Rounds that take turns, so that a noisy moment of the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping


async def measure(
    cases: Mapping[str, Callable[[int], Awaitable[None]]], *, rounds: int, calls: int
) -> dict[str, list[float]]:
    """Run each case in each round, one after the other; gives seconds per call, by case."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        await case(calls)  # what is compiled and cached on the way is so for all
    for _ in range(rounds):
        for name, case in cases.items():
            begun = time.perf_counter()
            await case(calls)
            found[name].append((time.perf_counter() - begun) / calls)
    return found


def table(found: Mapping[str, list[float]], floor: str) -> str:
    """Show medians and 10th percentiles, and these as ratios to the case called ``floor``."""

    def low(times: list[float]) -> float:
        return statistics.quantiles(times, n=10)[0]

    lines = [f"{'':24}{'median':>10}{'p10':>10}{'x ' + floor:>16}"]
    for name, times in found.items():
        ratio = low(times) / low(found[floor])
        nanoseconds = statistics.median(times) * 1e9, low(times) * 1e9
        lines.append(f"{name:24}{nanoseconds[0]:8.0f}ns{nanoseconds[1]:8.0f}ns{ratio:16.2f}")
    return "\n".join(lines)
