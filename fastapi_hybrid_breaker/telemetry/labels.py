"""Which series a circuit counts in: a bounded number of them, however many keys there are."""

from __future__ import annotations

import logging
import weakref
from itertools import count
from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.public_keys import is_key_public

from .names import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.breaker import Breaker
    from fastapi_hybrid_breaker.circuits.circuit import Circuit

log: logging.Logger = logging.getLogger("fastapi_hybrid_breaker")


class Labels:
    """Returns each circuit its label, once for its life.

    Args:
        breaker: whose circuits they are.
        key: the user's function from key to label, or None: declared keys and those in a route's
            code are their own label, others have their pattern's.
        most: how many labels there may be beside ``other``; who comes first has them, declared
            keys before all.
    """

    def __init__(
        self, breaker: Breaker, key: Callable[[str], str | None] | None, most: int
    ) -> None:
        self._breaker = breaker
        self._key = key
        self._most = most
        # By the place that each came in, and without a lock: a fork could leave that taken.
        self._labels: dict[str, int] = {}
        self._places = count()
        # By circuit, not by key: what is forgotten leaves nothing behind here.
        self._given: weakref.WeakKeyDictionary[Circuit, str] = weakref.WeakKeyDictionary()
        self.declared: dict[str, str] = {
            each: self._admit(self._wish(each)) for each in breaker._registry.declared
        }

    def of(self, circuit: Circuit) -> str:
        """Return the label of a circuit."""
        label = self._given.get(circuit)
        if label is None:
            label = self.declared.get(circuit.key)
            if label is None:
                label = self._admit(self._wish(circuit.key))
            self._given[circuit] = label
        return label

    def _wish(self, key: str) -> str | None:
        if self._key is None:
            registry = self._breaker._registry
            return key if is_key_public(registry, key) else registry.pattern_for(key)
        try:
            label: object = self._key(key)
        except Exception:
            log.exception("the function for the label of circuit %r failed", key)
            return None
        return label if isinstance(label, str) else None

    def _admit(self, label: str | None) -> str:
        if label is None:
            return OTHER
        place = self._labels.get(label)
        if place is None:
            if len(self._labels) >= self._most:
                return OTHER
            place = self._labels.setdefault(label, next(self._places))
        return label if place < self._most else OTHER
