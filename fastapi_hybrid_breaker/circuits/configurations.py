"""Which configuration a key's circuit gets."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from fastapi_hybrid_breaker.core.config import CircuitConfig
from fastapi_hybrid_breaker.core.keys import check_key


class Configurations:
    """The defaults, and what is declared by exact key or by pattern.

    Args:
        defaults: of keys that nothing is declared for.
        circuits: configurations by key or pattern.

    Raises:
        TypeError, ValueError: a key or a configuration is invalid.
    """

    def __init__(self, defaults: CircuitConfig, circuits: Mapping[str, CircuitConfig]) -> None:
        check_config("defaults", defaults)
        if not isinstance(circuits, Mapping):
            raise TypeError(f"circuits must map keys to CircuitConfig, not {circuits!r}")
        self.defaults = defaults
        self.declared: dict[str, CircuitConfig] = {}
        self._patterns: dict[str, CircuitConfig] = {}
        for given, config in circuits.items():
            key = check_key(given)
            check_config(f"circuits[{key!r}]", config)
            if "*" in key:
                self._patterns[key] = config
            else:
                self.declared[key] = config

    def find(self, key: str) -> CircuitConfig:
        """Return the declared configuration, the first pattern's that fits, or the default."""
        exact = self.declared.get(key)
        if exact is not None:
            return exact
        pattern = self.pattern_for(key)
        return self.defaults if pattern is None else self._patterns[pattern]

    def pattern_for(self, key: str) -> str | None:
        """Return the first pattern that fits, or None."""
        for pattern in self._patterns:
            # Brackets are letters here: keys such as "[::1]:80" have them.
            if fnmatchcase(key, pattern.replace("[", "[[]").replace("?", "[?]")):
                return pattern
        return None


def check_config(field: str, config: object) -> None:
    """Raise unless ``config`` is a configuration.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(config, CircuitConfig):
        raise TypeError(f"{field} must be a CircuitConfig, not {config!r}")
