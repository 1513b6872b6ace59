"""The circuits of one breaker: found or made by key, bounded in number."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.checks import check_count
from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.keys import check_key
from fastapi_hybrid_breaker.core.machine import Machine, OverflowMachine

from .circuit_object import Circuit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi_hybrid_breaker.core.surroundings import Surroundings

    from .hub import Hub

log = logging.getLogger("fastapi_hybrid_breaker")

_MOST_CIRCUITS = 10_000_000
_PAUSE_AFTER_FULL = 1.0
"""Seconds between two searches of a full registry: one costs a look at every circuit."""


class Registry:
    """Finds or makes circuits, ``max_circuits`` at most.

    When full, it forgets a circuit that is CLOSED, that nobody outside holds, and that was not
    looked up lately (a clock with a second chance: looking up sets a flag, nothing is moved).
    """

    def __init__(
        self,
        hub: Hub,
        *,
        defaults: CircuitConfig,
        circuits: Mapping[str, CircuitConfig],
        max_circuits: int,
    ) -> None:
        check_count("max_circuits", max_circuits, _MOST_CIRCUITS)
        _check_config("defaults", defaults)
        if not isinstance(circuits, Mapping):
            raise TypeError(f"circuits must map keys to CircuitConfig, not {circuits!r}")
        self._hub = hub
        self._defaults = defaults
        self._declared: dict[str, CircuitConfig] = {}
        self._patterns: dict[str, CircuitConfig] = {}
        for given, config in circuits.items():
            key = check_key(given)
            _check_config(f"circuits[{key!r}]", config)
            if "*" in key:
                self._patterns[key] = config
            else:
                self._declared[key] = config
        self._max = max_circuits
        # Re-entrant: the collector of garbage may run a finalizer that comes here, at any line.
        self._lock = threading.RLock()
        self.by_key: dict[str, Circuit] = {}
        """The circuits; one may be missing for a moment, see _forget."""
        self._order: deque[str] = deque()  # the row in which room is looked for
        self._overflow: Circuit | None = None
        self.made: Callable[[Circuit], object] | None = None
        """Called with each circuit that is made, under the registry's lock."""
        self._full_until = float("-inf")

    @property
    def declared(self) -> Mapping[str, CircuitConfig]:
        """The configuration by exact key, as given at construction."""
        return self._declared

    @property
    def surroundings(self) -> Surroundings:
        """How this process stands to its fleet."""
        return self._hub.surroundings

    @property
    def most(self) -> int:
        """How many circuits there can be."""
        return self._max

    def __iter__(self) -> Iterator[Circuit]:
        with self._lock:
            return iter(tuple(self.by_key.values()))

    def __len__(self) -> int:
        return len(self.by_key)

    @property
    def overflow(self) -> Circuit | None:
        """The circuit that surplus keys share, once there are any."""
        return self._overflow

    def get(self, key: str) -> Circuit | None:
        """Give the circuit if this process knows it; makes nothing, notes nothing."""
        circuit = self.by_key.get(key)
        if circuit is None:
            with self._lock:  # it may be missing for a moment, see _forget
                circuit = self.by_key.get(key)
        return circuit

    def find_or_make(self, key: str, config: CircuitConfig | None = None) -> tuple[Circuit, bool]:
        """Give the circuit of ``key`` and whether it was made now.

        Raises:
            ValueError: the key names no circuit, or has one with another configuration.
        """
        circuit = self.by_key.get(key)
        if circuit is not None and config is None:
            circuit.recent = True
            return circuit, False
        key = check_key(key)
        if config is not None:
            _check_config("config", config)
        with self._lock:
            circuit = self.by_key.get(key)
            if circuit is None:
                if not self._has_room():
                    return self._overflowing(key), False
                circuit = self._make(key, config or self.config_for(key))
                return circuit, True
            if config is not None and circuit.heard:
                # Made for the fleet's news, by a guess: the code that uses it knows better, and
                # must not fail for having been later than the news.
                circuit.configure(config)
        if config is not None and config != circuit.config:
            raise ValueError(
                f"circuit {key!r} exists with another configuration: {circuit.config!r},"
                f" not {config!r}"
            )
        circuit.recent = True
        return circuit, False

    def hear_of(self, key: str) -> Circuit | None:
        """Give or make the circuit of a key heard of from the fleet; None when there is no room.

        Keys heard of never push out keys used here.
        """
        with self._lock:
            circuit = self.by_key.get(key)
            if circuit is None and len(self.by_key) < self._max:
                circuit = self._make(key, self.config_for(key))
                circuit.recent = False
                circuit.heard = True
            return circuit

    def config_for(self, key: str) -> CircuitConfig:
        """Give the declared configuration, the first pattern's that fits, or the default."""
        exact = self._declared.get(key)
        if exact is not None:
            return exact
        pattern = self.pattern_for(key)
        return self._defaults if pattern is None else self._patterns[pattern]

    def pattern_for(self, key: str) -> str | None:
        """Give the first pattern that fits, or None."""
        for pattern in self._patterns:
            # Brackets are letters here: keys such as "[::1]:80" have them.
            if fnmatchcase(key, pattern.replace("[", "[[]").replace("?", "[?]")):
                return pattern
        return None

    def after_fork(self) -> None:
        """Take new locks: a thread that is not in the child may have held the old ones."""
        self._lock = threading.RLock()
        for circuit in self:
            circuit.after_fork()
        if self._overflow is not None:
            self._overflow.after_fork()

    def _make(self, key: str, config: CircuitConfig) -> Circuit:
        circuit = self.by_key[key] = Circuit(
            Machine(key, config, self._hub.random, self._hub.surroundings), self._hub
        )
        self._order.append(key)
        if self.made is not None:
            self.made(circuit)
        return circuit

    def _has_room(self) -> bool:
        """Tell whether one more fits, forgetting one circuit where that is needed."""
        if len(self.by_key) < self._max:
            return True
        if self._hub.clock() < self._full_until:
            return False
        # Twice round at most: the first time takes the flags away, the second finds the idle.
        for _ in range(2 * len(self._order)):
            key = self._order.popleft()
            if self._forget(key):
                return True
            self._order.append(key)
        self._full_until = self._hub.clock() + _PAUSE_AFTER_FULL
        return False

    def _forget(self, key: str) -> bool:
        circuit = self.by_key[key]
        # A recovery that the fleet, which knows this circuit, has not heard of yet has to wait here
        # for Redis. Without a fleet nothing is ever heard: that must not fill the registry.
        untold = circuit.machine.unshared and circuit.machine.version > 0
        if circuit.recent or untold or not circuit.machine.is_idle(self._hub.clock()):
            circuit.recent = False
            return False
        reference = weakref.ref(circuit)
        del circuit, self.by_key[key]
        held = reference()
        if held is None:
            return True
        self.by_key[key] = held  # whoever holds it must go on meeting the one and only
        return False

    def _overflowing(self, key: str) -> Circuit:
        if self._overflow is None:
            self._overflow = Circuit(OverflowMachine("overflow", self._defaults), self._hub)
            if self.made is not None:
                self.made(self._overflow)
            log.error(
                "all %d circuits are in use; %r and further keys share one that never rejects:"
                " raise max_circuits, or let the keys vary less",
                self._max,
                key,
            )
        return self._overflow


def _check_config(field: str, config: object) -> None:
    if not isinstance(config, CircuitConfig):
        raise TypeError(f"{field} must be a CircuitConfig, not {config!r}")
