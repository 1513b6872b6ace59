"""What a guarded call costs while Redis hangs, or is gone; each in a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.figures import percentile
from benchmarks.fleet.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.parts import Figures

    from .cases import Shared

Trouble = Literal["hung", "gone"]

LIMIT = 8.0
"""Seconds after which nobody waits for a call any more."""

_STARTING_AT_ONCE = 4
_PATIENCE = 60.0
_ROOT = Path(__file__).parents[2]


async def watch(cases: Sequence[Shared], trouble: Trouble) -> Figures:
    """Let all be ready, have the server hang or go, and look how long their calls take."""
    places = asyncio.Semaphore(_STARTING_AT_ONCE)
    with Valkey() as valkey:
        callers = [Caller(case, valkey.url) for case in cases]
        try:
            await asyncio.gather(*(caller.start(places) for caller in callers))
            if trouble == "hung":
                valkey.hang()
            else:
                valkey.close()
            lines = await asyncio.gather(*(caller.calls() for caller in callers))
        finally:
            await asyncio.gather(*(caller.end() for caller in callers))
    return {case.name: summarise(times) for case, times in zip(cases, lines, strict=True)}


class Caller:
    """One process that makes the calls of one case."""

    def __init__(self, case: Shared, url: str) -> None:
        self._case = case
        self._url = url
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, places: asyncio.Semaphore) -> None:
        """Start it; returns when its breaker is in its state."""
        case = self._case
        async with places:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.sharing.caller"),
                *(case.adapter.name, case.state, case.way, self._url),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=_ROOT,
                start_new_session=True,
            )
            async with asyncio.timeout(_PATIENCE):
                if await self._line() != "ready":
                    raise RuntimeError(f"{case.name} has ended before it was ready")

    async def calls(self) -> list[str]:
        """Make it call; return a line for each call that came to its end in time."""
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdin is not None  # noqa: S101 - with a pipe
        self._process.stdin.write(b"go\n")
        lines: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LIMIT):
                while line := await self._line():
                    lines.append(line)
        return lines

    async def end(self) -> None:
        """Kill it, in the middle of a call or not."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _line(self) -> str:
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdout is not None  # noqa: S101 - with a pipe
        return (await self._process.stdout.readline()).decode().strip()


def summarise(lines: Sequence[str]) -> dict[str, Any]:
    """Return how long calls took: of lines with nanoseconds and the error of each call, if any."""
    if not lines:
        return {"calls": 0, "over_seconds": LIMIT}
    times = [int(line.split()[0]) for line in lines]
    errors = sorted({line.split()[1] for line in lines if len(line.split()) > 1})
    return {
        "calls": len(times),
        "first_ns": times[0],
        "median_ns": statistics.median(times),
        "p99_ns": round(percentile(times, 99)),
        "longest_ns": max(times),
        "raised": errors,
    }
