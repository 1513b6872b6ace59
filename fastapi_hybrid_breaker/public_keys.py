"""Which circuits answers and metrics may name to those outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from .circuits.registry import Registry

in_routes: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""The guards of routes by the key in the route's code, as long as any route has them."""


def is_key_public(registry: Registry, key: str) -> bool:
    """Return whether a circuit may be named: its key is declared, or in a route's code.

    Keys made at run time, as one per host, would show internal names to outsiders.
    """
    return key in registry.declared or key in in_routes
