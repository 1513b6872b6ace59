"""Which series a circuit counts in: a bounded number of them, however many keys there are."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.web.dependency import is_key_public

from .names import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.breaker import HybridBreaker
    from fastapi_hybrid_breaker.calls.circuit_object import Circuit

log = logging.getLogger("fastapi_hybrid_breaker")


class Labels:
    """Gives each circuit its label, once for its life.

    Args:
        breaker: whose circuits they are.
        key: the user's function from key to label, or None: declared keys and those in a route's
            code are their own label, others have their pattern's.
        most: how many labels there may be beside ``other``; who comes first has them, declared
            keys before all.
    """

    def __init__(
        self, breaker: HybridBreaker, key: Callable[[str], str | None] | None, most: int
    ) -> None:
        self._breaker = breaker
        self._key = key
        self._most = most
        self._lock = threading.Lock()
        self._labels: set[str] = set()
        # By circuit, not by key: what is forgotten leaves nothing behind here.
        self._given: weakref.WeakKeyDictionary[Circuit, str] = weakref.WeakKeyDictionary()
        self.declared = {each: self._admit(self._wish(each)) for each in breaker.registry.declared}

    def of(self, circuit: Circuit) -> str:
        """Give the label of a circuit."""
        label = self._given.get(circuit)
        if label is None:
            label = self.declared.get(circuit.key)
            if label is None:
                label = self._admit(self._wish(circuit.key))
            self._given[circuit] = label
        return label

    def _wish(self, key: str) -> str | None:
        if self._key is None:
            registry = self._breaker.registry
            return key if is_key_public(self._breaker, key) else registry.pattern_for(key)
        try:
            label: object = self._key(key)
        except Exception:
            log.exception("the function for the label of circuit %r failed", key)
            return None
        return label if isinstance(label, str) else None

    def _admit(self, label: str | None) -> str:
        if label is None:
            return OTHER
        with self._lock:
            if label not in self._labels:
                if len(self._labels) >= self._most:
                    return OTHER
                self._labels.add(label)
        return label
