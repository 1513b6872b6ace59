"""What stands where in Redis."""

from __future__ import annotations


class Names:
    """The names in Redis under one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace: str = namespace
        self.channel: str = f"{namespace}:updates"
        # With "#" where circuits have ":", or a scan for circuits would find them.
        self.index: str = f"{namespace}#index"
        self.overridden: str = f"{namespace}#overridden"
        self.signals: str = f"{namespace}#signals"
        # Two keys of one slot: a script needs both.
        self.live: str = f"{namespace}#{{live}}"
        self.instances: str = f"{namespace}#{{live}}:about"
        self._overrides = f"{namespace}#override:"
        self._evidence = f"{namespace}#evidence:"
        self._prefix = f"{namespace}:"

    def hash(self, key: str) -> str:
        """Return the name of a circuit's hash."""
        return self._prefix + key

    def override(self, key: str) -> str:
        """Return where a circuit's override is kept."""
        return self._beside(self._overrides, key)

    def evidence(self, key: str) -> str:
        """Return where the fleet counts the calls on a circuit."""
        return self._beside(self._evidence, key)

    def _beside(self, prefix: str, key: str) -> str:
        """Return a name in the same slot of a cluster as a circuit's hash.

        A circuit whose key has a closing brace, and yet no hash tag, has no other name in its
        slot, and keeps what would stand there in its hash.
        """
        name = self.hash(key)
        _, brace, rest = key.partition("{")
        if brace and rest.find("}") > 0:
            return prefix + name
        return name if "}" in key else f"{prefix}{{{name}}}"
