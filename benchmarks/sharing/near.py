"""Time and commands per call while the server answers: near, and a few milliseconds away."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks.calls.cases import make
from benchmarks.calls.loops import bare
from benchmarks.peers.adapter import Setting
from benchmarks.peers.ours import Ours
from benchmarks.rounds import WAITING, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.calls.cases import Made
    from benchmarks.fleet.valkey import Valkey
    from benchmarks.parts import Figures, Order

    from .cases import Shared

AWAY = 0.005
"""Seconds of a round trip to the server that is away."""

_COUNTED = 200
_MILLION = 1_000_000
_CHUNK = 1_000
_BREATH = 0.008
_SETTLED = 1.0
_QUIET = 0.05


async def time_calls(cases: Sequence[Shared], url: str, order: Order, *, is_away: bool) -> Figures:
    """Return the time per call of each case, beside a bare await."""
    made = {case.name: await case.make(url) for case in cases}
    rounds, seconds = (8, 0.02) if is_away else (40, 0.005)
    try:
        found = await measure(
            {"bare": bare(), **{name: one.loop for name, one in made.items()}},
            rounds=order.rounds(rounds),
            clock=WAITING,
            slice_seconds=seconds,
            before={name: one.ready for name, one in made.items() if one.ready is not None},
        )
    finally:
        await _close(made.values())
    return {name: one.describe(found["bare"]) for name, one in found.items()}


async def count_commands(cases: Sequence[Shared], valkey: Valkey) -> Figures:
    """Return the commands per call that the server runs, those inside of scripts among them."""
    found = {}
    for case in cases:
        one = await case.make(valkey.url)
        try:
            await asyncio.sleep(_QUIET)  # what the change of state still has to report
            if one.ready is not None:
                await one.ready()
            before = sum(valkey.commands().values())
            await one.loop(_COUNTED)
            await asyncio.sleep(_QUIET)
            counted = sum(valkey.commands().values()) - before
        finally:
            await _close([one])
        found[case.name] = round(counted / _COUNTED, 2)
    return found


async def count_healthy(valkey: Valkey) -> Figures:
    """Return what a million healthy calls of ours send, and as long a time without any."""
    made = await make(Ours(), "closed", "call", Setting(redis=valkey.url))
    try:
        await asyncio.sleep(_SETTLED)
        begun, before = time.monotonic(), valkey.commands()
        for _ in range(_MILLION // _CHUNK):
            await made.loop(_CHUNK)
            await asyncio.sleep(_BREATH)  # what runs in the background has its turn
        with_calls = _more(valkey.commands(), before)
        took, before = time.monotonic() - begun, valkey.commands()
        await asyncio.sleep(took)
        without = _more(valkey.commands(), before)
    finally:
        await _close([made])
    return {
        "calls": _MILLION,
        "seconds": round(took, 2),
        "commands": with_calls,
        "commands_without_calls": without,
    }


def _more(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count}


async def _close(made: Iterable[Made]) -> None:
    for one in made:
        if one.close is not None:
            await one.close()
