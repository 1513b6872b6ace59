"""What is read again of all circuits: after a subscription, every half minute, after a flush.

No I/O, and some circuits at a time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.states import CircuitState

from .first_use import FIRST_WORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.circuits.circuit import Circuit

    from .index import Index
    from .overrides import Overrides
    from .own_instance import OwnInstance
    from .quorum_votes import QuorumVotes
    from .walks import Walks

_REPAIRERS: Final = 6
"""Instances that read a circuit that is not CLOSED in a repair, about: what they find missing, or
written by others, they report to all."""

_FULL_PASS: Final = 20
"""Repairs that a pass over all circuits is spread over: ten minutes."""


class Rereading:
    """Reads circuits again.

    Args:
        own: this instance.
        walks: go over the circuits.
        index, overrides, votes: are read, or asked, along with the circuits.
        changed: called with each circuit of which the fleet may not know everything.
    """

    def __init__(
        self,
        own: OwnInstance,
        walks: Walks,
        *,
        index: Index,
        overrides: Overrides,
        votes: QuorumVotes,
        changed: Callable[[Circuit], object],
    ) -> None:
        self._own = own
        self._walks = walks
        self._index = index
        self._overrides = overrides
        self._votes = votes
        self._changed = changed
        self._pass: list[str] = []
        self._has_read = False  # anything, in this session

    def read_all(self) -> None:
        """Read everything."""
        self._index.read_all()
        self._overrides.read_all()
        registry = self._own.registry
        known = [circuit.key for circuit in registry]
        if not self._has_read:  # made before the start, or by an earlier session
            self._own.lag.unread |= dict.fromkeys(known, self._own.clock())
        look = partial(self._read_again, is_first=not self._has_read)
        self._walks.begin("all", dict.fromkeys([*registry.declared, *known]), look)
        self._has_read = True

    def _read_again(self, key: str, *, is_first: bool) -> None:
        self._own.work.want(key, "read", must=True)
        circuit = self._own.registry.get(key)
        if circuit is None:
            return
        if is_first:
            now = circuit._clock()
            with circuit._hold() as core:
                core.membership.calls.listen(now, now + FIRST_WORD)
        self._overrides.look_at(circuit, is_repair=False)
        self._changed(circuit)
        self._votes.stands_alone(circuit)

    def read_known(self) -> None:
        """Read what the server once knew and has forgotten: who knows of it writes it back."""
        self._index.read_all()
        self._overrides.read_all()
        self._walk_over_circuits("known", self._read_if_shared)

    def _read_if_shared(self, circuit: Circuit) -> None:
        self._overrides.look_at(circuit, is_repair=True)
        if circuit._core.membership.version:
            self._own.work.want(circuit.key, "read", must=True)

    def repair(self) -> None:
        """Read again what is likely to have been missed, and a part of all the rest."""
        registry = self._own.registry
        self._index.read_recent()
        self._overrides.read_all()
        self._walk_over_circuits("repair", self._repair)
        if not self._pass:
            self._pass = [circuit.key for circuit in registry]
        share = -(-len(registry) // _FULL_PASS)
        self._pass, now = self._pass[share:], self._pass[:share]
        self._walks.begin("pass", now, lambda key: self._own.work.want(key, "read"))

    def _repair(self, circuit: Circuit) -> None:
        live = self._own.registry.peers.live
        self._votes.stands_alone(circuit)
        self._overrides.look_at(circuit, is_repair=True)
        is_chosen = live <= _REPAIRERS or self._own.random.random() < _REPAIRERS / live
        if is_chosen and circuit._core.machine.state is not CircuitState.CLOSED:
            self._own.work.want(circuit.key, "read", must=True)
            if circuit._core.membership.version:
                self._index.note(circuit.key, circuit._core.membership.version)

    def end(self) -> None:
        """Read nothing more."""
        self._walks.end()

    def _walk_over_circuits(self, name: str, visit: Callable[[Circuit], object]) -> None:
        registry = self._own.registry

        def look(key: str) -> None:
            if (circuit := registry.get(key)) is not None:
                visit(circuit)

        self._walks.begin(name, [circuit.key for circuit in registry], look)
