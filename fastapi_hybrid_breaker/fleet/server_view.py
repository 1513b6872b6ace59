"""What this process knows of the server: its time, how far it is, and the newest version there."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from fastapi_hybrid_breaker.core.versions import Newest, horizon_at
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker.core.peers import Peers

_SLACK: Final = 0.005
"""Seconds two clocks may drift apart between samples before one counts as set anew."""

_LAST_ROUND_TRIPS: Final = 8
"""Round trips that are remembered: the way to the server can change."""


class ServerView:
    """Estimates server time minus this process's monotonic clock, and what follows from it.

    No wall clock of two hosts is ever compared: the server stamps, each process translates.

    Args:
        clock: monotonic seconds.
        peers: their ``round_trip`` is kept up to date.
    """

    def __init__(self, clock: Callable[[], float], peers: Peers) -> None:
        self._clock = clock
        self._peers = peers
        self._offset: float | None = None
        self._shortest = float("inf")  # round trip of the sample that the offset is from
        self._round_trips: deque[float] = deque(maxlen=_LAST_ROUND_TRIPS)
        self._newest = Newest()
        self.far: ThrottledLog = ThrottledLog(clock, "from Redis: ")

    # -- time -------------------------------------------------------------------------------

    def forget_time(self) -> None:
        """Begin anew: after a reconnect another server may answer."""
        self._offset, self._shortest = None, float("inf")

    def sample(self, sent: float, received: float, server: float) -> None:
        """Record one reply: sent and received by the monotonic clock, stamped ``server`` seconds.

        The server stamped it somewhere between, so the true offset lies within known bounds.
        The sample with the shortest round trip is kept, until a later one contradicts it: then
        the server's clock was set.
        """
        earliest, latest = server - received, server - sent
        round_trip = received - sent
        if (
            self._offset is None
            or round_trip < self._shortest
            or not earliest - _SLACK <= self._offset <= latest + _SLACK
        ):
            self._offset = (earliest + latest) / 2
            self._shortest = round_trip

    def now(self) -> float | None:
        """Return the server's time in epoch seconds, or None before the first sample."""
        return None if self._offset is None else self._clock() + self._offset

    def note_round_trip(self, seconds: float) -> None:
        """Record how long it took from sending some commands to having their answers."""
        self._round_trips.append(seconds)
        self._peers.round_trip = max(self._round_trips)

    # -- versions ---------------------------------------------------------------------------

    def horizon(self) -> float:
        """Return the highest version that counts by the server's clock, as far as it is known."""
        return horizon_at(self.now())

    def newest(self) -> int:
        """Return the highest version seen: what this process proposes next comes after it."""
        return self._newest.within(self.horizon())

    def note(self, version: int, horizon: float, known: int = 0) -> None:
        """Record a version that was seen; ``known`` is the one known here before."""
        self._newest.note(version, horizon)
        self.warn_of_far(version, horizon, known)

    def warn_of_far(self, version: int, horizon: float, known: int) -> None:
        """Count and log a version beyond the horizon, unless it is ``known`` here."""
        if version > horizon and version != known:
            self.far.warn(
                "a version more than a day beyond the server's clock: it is used only where no"
                " other is known"
            )
