"""Measures all that share over Redis, in every condition of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.calls.loops import bare, called
from benchmarks.fleet.valkey import Valkey
from benchmarks.peers.adapter import Setting
from benchmarks.peers.ours import NAME, Ours
from benchmarks.rounds import measure

from . import near, tail, trouble
from .cases import STATES, Shared, all_shared
from .link import Link

if TYPE_CHECKING:
    from benchmarks.parts import Figures, Order

NAMED = {NAME, "interlock-cb", "purgatory", "pybreaker", "aiobreaker"}
"""Those that are watched in every state while the server hangs or is gone; of the others the
closed calls will do."""

_ROUNDS = 150


async def run(order: Order) -> Figures:
    """Return time and commands per call, by library, state and condition of the server."""
    with Valkey() as valkey:  # with nobody else on it, whose commands would count as ours
        healthy = await near.count_healthy(valkey)
    with Valkey() as valkey:
        cases = await all_shared(order, valkey.url)
        found = {
            "server": valkey.version(),
            "away_seconds": near.AWAY,
            "limit_seconds": trouble.LIMIT,
            "healthy": healthy,
            "commands": await near.count_commands(cases, valkey),
            "near": await near.time_calls(cases, valkey.url, order, is_away=False),
            "ours": await _ours(valkey.url, order),
        }
        with Link(valkey.port, near.AWAY / 2) as link:
            found["away"] = await near.time_calls(cases, link.url, order, is_away=True)
    watched = [case for case in cases if case.adapter.name in NAMED or case.state == "closed"]
    found["hung"] = await trouble.watch(watched, "hung")
    found["gone"] = await trouble.watch(watched, "gone")
    found["tail"] = await tail.compare(order)
    return found


async def _ours(url: str, order: Order) -> Figures:
    """Return our calls with and without sharing, by the clock that counts this thread's work."""
    alone = await Ours().make(Setting())
    assert alone.call is not None  # noqa: S101 - ours has one
    made = {f"on, {state}": await Shared(Ours(), state, "call").make(url) for state in STATES}
    try:
        found = await measure(
            {
                "bare": bare(),
                "off, closed": called(alone.call),
                **{name: one.loop for name, one in made.items()},
            },
            rounds=order.rounds(_ROUNDS),
            before={name: one.ready for name, one in made.items() if one.ready is not None},
        )
    finally:
        for one in made.values():
            if one.close is not None:
                await one.close()
    return {name: one.describe(found["bare"]) for name, one in found.items()}
