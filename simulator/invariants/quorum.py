"""What some instances have opened is open everywhere it can be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from fastapi_hybrid_breaker import CircuitState
from fastapi_hybrid_breaker.core.states import Cause

from .invariant import Invariant, is_shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.fleet import Fleet
    from simulator.instance import Instance

SPREADS_IN = 1.0
"""Seconds in which an opening has reached every instance that can hear of it."""

_CALM_FOR = 5.0
"""Seconds for which neither the server nor a link nor a process has been disturbed."""


class _OpensEverywhere(Invariant):
    """Looks, ``SPREADS_IN`` seconds after an opening, whether it was seen everywhere.

    Only if neither the server nor those who opened nor the instance looked at have been disturbed
    since ``_CALM_FOR`` seconds before it: whoever was away catches up at its own pace. An instance
    has seen it, too, that is on to the next state.
    """

    causes: ClassVar[frozenset[Cause]]

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self._decided: dict[str, dict[int, float]] = {}
        self._opened: dict[tuple[str, int], float] = {}
        self._due: list[tuple[float, str, tuple[int, ...]]] = []

    def changed(self, instance: Instance, change: Any) -> None:
        """Note an opening, and whether it completes a quorum; operators end all of that."""
        if change.evidence.cause == Cause.RESET or change.cause is Cause.OVERRIDE_ENDED:
            self._decided.pop(change.key, None)
            self._due = [one for one in self._due if one[1] != change.key]
        if change.new is not CircuitState.OPEN or not is_shared(
            instance.breaker.circuit(change.key)
        ):
            return
        now = self.fleet.now()
        self._opened[change.key, instance.number] = now
        is_own = change.instance in {"", instance.breaker._sync.instance}  # not a late update
        if change.cause in self.causes and is_own:
            decided = self._decided.setdefault(change.key, {})
            decided[instance.number] = now
            recent = tuple(one for one, at in decided.items() if now - at < SPREADS_IN)
            if len(recent) == self.needed():
                self._due.append((now + SPREADS_IN, change.key, recent))

    def needed(self) -> int:
        """Return the number of instances whose decision is everybody's."""
        return 1

    def look(self) -> Iterator[str]:
        """Look for instances that have not opened."""
        now = self.fleet.now()
        for due, key, those in [one for one in self._due if one[0] <= now]:
            self._due.remove((due, key, those))
            calm = now - due + SPREADS_IN + _CALM_FOR
            if any(self.fleet.undisturbed_for(one) < calm for one in those):
                continue
            for instance in self.fleet.instances:
                if not is_shared(instance.breaker.circuit(key)):
                    continue
                opened = self._opened.get((key, instance.number), 0.0)
                state = instance.breaker.state(key)
                is_calm = self.fleet.undisturbed_for(instance.number) >= calm
                if is_calm and opened < due - 2 * SPREADS_IN and state is CircuitState.CLOSED:
                    yield f"instance {instance.number} did not open {key} with the others"


class QuorumOpensEverywhere(_OpensEverywhere):
    """Where as many instances as the quorum asks for have seen a circuit fail, it opens in all.

    A probe that fails while others succeed does not count: the first to reach the server wins.
    """

    causes = frozenset({Cause.FAILURES, Cause.SLOW_CALLS})

    def needed(self) -> int:
        """Return the quorum."""
        return quorum_of(self.fleet)


class OverridesReachAll(_OpensEverywhere):
    """What an operator forces open at one instance is open in all."""

    causes = frozenset({Cause.OVERRIDE})


def quorum_of(fleet: Fleet) -> int:
    """Return the number of instances that must have seen a circuit fail."""
    configs = [instance.config for instance in fleet.instances]
    wanted = [getattr(config, "quorum", 1) for config in configs]
    shares = [one if isinstance(one, int) else math.ceil(one * len(configs)) for one in wanted]
    return max(shares)
