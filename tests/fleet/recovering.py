"""Circuits that recover where calls are rare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .companion import Companion, together
from .player import KEY

if TYPE_CHECKING:
    from .server import Server


def open_for_all(*players: Companion) -> None:
    """Open the circuit everywhere, and let its recovery timeout elapse without a call."""
    players[0].fail()
    together(*players, seconds=0.5)
    assert {player.state for player in players} == {"OPEN"}


def _field(server: Server, name: str) -> str:
    return server.hash(KEY).get(name, "")
