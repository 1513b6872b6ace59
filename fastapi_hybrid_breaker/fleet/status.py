"""How the exchange with the fleet stands, for people and pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SyncState = Literal["disabled", "connected", "isolated"]
"""``disabled``: no Redis, or not started. ``isolated``: Redis does not answer."""


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The exchange at one moment.

    Args:
        state: ``disabled``, ``connected`` or ``isolated``.
        since: when it became so, epoch seconds by this host's clock.
        instance: this process's name in the fleet, made at start; "" before.
        sent: commands that Redis has answered.
        received: messages of others that were taken in.
        dropped: messages and hashes that were malformed, found no room, could not be handled
            for an internal error, or had a version more than a day beyond the server's clock.
        queued: circuits about which something waits to be sent.
        lag: seconds that the last change of another instance took to get here, by the server's
            clock; None before the first.
        corrected: changes of others that no message told of in time, so that reading the hash
            again had to, since the breaker was made.
        orders: circuits of which a reset, an override or its clearing was ordered here, and the
            fleet has not taken it yet.
        error: why nothing is shared at present, in one sentence without credentials; None while
            it is, and where nothing is to be shared.
    """

    state: SyncState
    since: float
    instance: str
    sent: int
    received: int
    dropped: int
    queued: int = 0
    lag: float | None = None
    corrected: int = 0
    orders: tuple[str, ...] = ()
    error: str | None = None
