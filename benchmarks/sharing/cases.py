"""The guarded calls of all that share over Redis, by state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks.calls.cases import State, make
from benchmarks.peers.adapter import Setting
from benchmarks.peers.check import Upstream, guards
from benchmarks.peers.ours import Ours

if TYPE_CHECKING:
    from benchmarks.calls.cases import Made
    from benchmarks.parts import Order
    from benchmarks.peers.adapter import Adapter

STATES: Final[tuple[State, ...]] = ("closed", "open", "half-open")


@dataclass(frozen=True)
class Shared:
    """One guarded call with its state in Redis."""

    adapter: Adapter
    state: State
    way: str

    @property
    def name(self) -> str:
        """The case's name in the results."""
        return f"{self.adapter.name} / {self.state}"

    async def make(self, url: str) -> Made:
        """Bring a new breaker, with a key of its own, into the state."""
        key = f"bench-{uuid.uuid4().hex[:8]}"
        return await make(self.adapter, self.state, self.way, Setting(redis=url, key=key))


async def all_shared(order: Order, url: str) -> list[Shared]:
    """Return every library that shares, in every state that it has."""
    found = []
    for adapter in (Ours(), *order.peers):
        if not adapter.shares:
            continue
        ways = await adapter.make(Setting(redis=url))
        way = next(iter(guards(ways, Upstream())))
        if ways.close is not None:
            await ways.close()
        found += [
            Shared(adapter, state, way)
            for state in STATES
            if state != "half-open" or adapter.probing
        ]
    return found
