"""Measures all calls in memory, in one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.rounds import measure

from .cases import FLOOR, Case, floors, of_ours, of_peers

if TYPE_CHECKING:
    from benchmarks.parts import Figures, Order

_ROUNDS = 150


async def run(order: Order) -> Figures:
    """Return a line for each case; a ratio is to the bare call of its kind, async or sync."""
    cases = [*floors(), *await of_ours(), *await of_peers(order.peers)]
    found = await measure({case.name: case.loop for case in cases}, rounds=order.rounds(_ROUNDS))
    by_kind = {
        kind: found[next(one.name for one in cases if _is_floor(one, kind))]
        for kind in ("call", "sync call")
    }
    lines = [
        {
            "who": case.who,
            "state": case.state,
            "way": case.way,
            "rule": case.rule,
            **found[case.name].describe(by_kind["sync call" if is_sync(case.way) else "call"]),
        }
        for case in cases
    ]
    return {"lines": lines, "notes": {peer.name: peer.note for peer in order.peers if peer.note}}


def is_sync(way: str) -> bool:
    """Return whether nothing is awaited in this way."""
    return way.startswith("sync")


def _is_floor(case: Case, kind: str) -> bool:
    return case.who == FLOOR and case.state == "closed" and case.way == kind
