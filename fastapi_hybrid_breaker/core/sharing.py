"""Whom the decisions of one circuit bind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import CircuitConfig
    from .peers import Peers


class Sharing:
    """Whether one circuit decides for the whole fleet, or for this process alone.

    ``shadow``: it is in shadow mode, and rejects nothing. ``local_only``: its present state holds
    in this process only (scope="instance", or its quorum is not reached).
    """

    __slots__ = ("config", "local_only", "peers", "shadow")

    def __init__(self, config: CircuitConfig, peers: Peers) -> None:
        self.config: CircuitConfig = config
        self.peers: Peers = peers
        self.shadow: bool = False
        self.local_only: bool = False

    def shares_calls(self) -> bool:
        """Return whether what is counted here is counted in the fleet as well."""
        return self.peers.has_fleet and self.config.scope == "fleet" and not self.shadow

    def shares_probes(self) -> bool:
        """Return whether probes are one budget of the fleet; the only instance has its own."""
        peers = self.peers
        return (
            peers.live > 1
            and peers.is_connected
            and not self.local_only
            and not self.shadow
            and self.config.scope == "fleet"
        )
