"""The circuits of one breaker: found or made by key, bounded in number."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.checks import check_count
from fastapi_hybrid_breaker.core.circuit_core import CircuitCore
from fastapi_hybrid_breaker.core.keys import check_key

from .circuit import Circuit
from .configurations import Configurations, check_config
from .eviction import Eviction, next_use
from .held_overrides import HeldOverrides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fastapi_hybrid_breaker.core.config import CircuitConfig
    from fastapi_hybrid_breaker.core.peers import Peers

    from .host import Host

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")

_MOST_CIRCUITS = 10_000_000

_LOG_EVERY: Final = 60.0
"""Seconds between two log lines about keys without a circuit of their own."""


class Registry:
    """Finds or makes circuits, ``max_circuits`` at most.

    When full, it forgets a circuit with which little is lost, see ``Eviction``. While nothing can
    go, further keys share one circuit that never rejects. Declared keys, keys in the code of routes
    and transports, and those that an operator overrides get their circuit all the same, beyond
    ``max_circuits``: they are few. Overrides that others have set on keys that are not used here
    need no circuit, see ``HeldOverrides``.
    """

    def __init__(
        self,
        host: Host,
        *,
        defaults: CircuitConfig,
        circuits: Mapping[str, CircuitConfig],
        max_circuits: int,
    ) -> None:
        check_count("max_circuits", max_circuits, _MOST_CIRCUITS)
        self._host = host
        self._configs = configs = Configurations(defaults, circuits)
        if len(configs.declared) > max_circuits:
            raise ValueError(
                f"max_circuits={max_circuits} leaves no room for the {len(configs.declared)} keys"
                " declared in circuits="
            )
        self._max = max_circuits
        self._kept = set(configs.declared)
        # Re-entrant: the collector of garbage may run a finalizer that comes here, at any line.
        self._lock = threading.RLock()
        self.by_key: dict[str, Circuit] = {}
        """The circuits; one may be missing for a moment, see ``Eviction``."""
        self.held: HeldOverrides = HeldOverrides(host.clock)
        """The fleet's overrides of keys without a circuit here."""
        self._eviction = Eviction(self.by_key, self._kept, host.clock, self.held)
        self._overflow: Circuit | None = None
        self.made: Callable[[Circuit], object] | None = None
        """Called with each circuit that is made, under the registry's lock."""
        self.used_first: Callable[[str], object] = lambda _key: None
        """Called with the key of each circuit that is made to be used here, without the lock."""
        self._log_from = float("-inf")

    @property
    def declared(self) -> Mapping[str, CircuitConfig]:
        """The configuration by exact key, as given at construction."""
        return self._configs.declared

    @property
    def peers(self) -> Peers:
        """How this process stands to its fleet."""
        return self._host.peers

    @property
    def most(self) -> int:
        """How many circuits there can be."""
        return self._max

    def __iter__(self) -> Iterator[Circuit]:
        with self._lock:
            keys = tuple(self.by_key)
        # Only one of them is held at a time: those that are held cannot be evicted, and whoever
        # walks over all of them may take a while, or be another thread.
        return filter(None, map(self.get, keys))

    def __len__(self) -> int:
        return len(self.by_key)

    @property
    def overflow(self) -> Circuit | None:
        """The circuit that surplus keys share, once there are any."""
        return self._overflow

    def get(self, key: str) -> Circuit | None:
        """Return the circuit if this process knows it; makes nothing, notes nothing."""
        circuit = self.by_key.get(key)
        if circuit is None:
            with self._lock:  # it may be missing for a moment, see Eviction
                circuit = self.by_key.get(key)
        return circuit

    def keep(self, key: str) -> None:
        """Never forget the circuit of ``key``, which stands in the code of a route or transport."""
        self._kept.add(key)

    def is_in_code(self, key: str) -> bool:
        """Whether ``key`` is declared, or stands in the code of a route or transport."""
        return key in self._kept

    def find_or_make(
        self, key: str, config: CircuitConfig | None = None, *, must: bool = False
    ) -> Circuit:
        """Return the circuit of ``key``, made now where there is none.

        Args:
            key: names the circuit.
            config: what the code that asks wants it to have.
            must: it gets one of its own, whether or not there is room.

        Raises:
            ValueError: the key names no circuit, or has one with another configuration.
        """
        circuit = self.by_key.get(key)
        if circuit is not None and config is None:
            circuit._used = next_use()
            return circuit
        key = check_key(key)
        if config is not None:
            check_config("config", config)
        is_new = False
        with self._lock:
            circuit = self.by_key.get(key)
            if circuit is None:
                if not self._make_room(key, must=must or key in self.held):
                    return self._overflowing(key)
                circuit, is_new = self._make(key, config or self.config_for(key), next_use()), True
            elif config is not None and circuit._config_is_guess:
                # Made for an update of the fleet, by a guess: the code that uses it knows better,
                # and must not fail because it came later than the update.
                circuit._configure(config)
        if is_new:
            self.held.put(circuit)
            self.used_first(key)
            return circuit
        if config is not None and config != circuit.config:
            raise ValueError(
                f"circuit {key!r} exists with another configuration: {circuit.config!r},"
                f" not {config!r}"
            )
        circuit._used = next_use()
        return circuit

    def hear_of(self, key: str) -> Circuit | None:
        """Return or make the circuit of a key known from the fleet; None: there is no room.

        Keys heard of push out no others: whoever uses one reads what the fleet knows of it.
        """
        with self._lock:
            circuit = self.by_key.get(key)
            if circuit is not None or (len(self.by_key) >= self._max and key not in self._kept):
                return circuit
            self._make_room(key)
            circuit = self._make(key, self.config_for(key), 0)
            circuit._config_is_guess = True
        self.held.put(circuit)
        return circuit

    def config_for(self, key: str) -> CircuitConfig:
        """Return the declared configuration, the first pattern's that fits, or the default."""
        return self._configs.find(key)

    def pattern_for(self, key: str) -> str | None:
        """Return the first pattern that fits, or None."""
        return self._configs.pattern_for(key)

    def after_fork(self) -> None:
        """Make new locks: a thread that is not in the child may have held the old ones."""
        self._lock = threading.RLock()
        for circuit in self:
            circuit._after_fork()
        if self._overflow is not None:
            self._overflow._after_fork()

    def _make(self, key: str, config: CircuitConfig, used: int) -> Circuit:
        circuit = self.by_key[key] = Circuit(
            CircuitCore(key, config, self._host.random, self._host.peers), self._host
        )
        circuit._used = used
        self._eviction.made(circuit)
        if self.made is not None:
            self.made(circuit)
        return circuit

    def _make_room(self, key: str, *, must: bool = False) -> bool:
        """Return whether ``key`` gets a circuit, after forgetting others where that is needed."""
        while len(self.by_key) >= self._max:
            if not self._eviction.forget_one():
                if must or key in self._kept:
                    log.warning("no room for circuit %r in max_circuits=%d", key, self._max)
                    return True
                return False
        return True

    def _overflowing(self, key: str) -> Circuit:
        if self._overflow is None:
            core = CircuitCore("overflow", self._configs.defaults)
            # Nor does it count: strangers' failures must not meet in one run.
            core.disable_for_good()
            self._overflow = Circuit(core, self._host)
            if self.made is not None:
                self.made(self._overflow)
        now = self._host.clock()
        if now >= self._log_from:
            self._log_from = now + _LOG_EVERY
            log.error(
                "circuit limit (max_circuits=%d) reached; %r is NOT protected. Raise max_circuits"
                " or use fewer keys",
                self._max,
                key,
            )
        return self._overflow
