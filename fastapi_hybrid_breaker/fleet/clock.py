"""What time it is on the server, told from the time stamps in its replies."""

from __future__ import annotations

_SLACK = 0.005
"""Seconds two clocks may drift apart between samples before one counts as set anew."""


class ServerClock:
    """Estimates server time minus this process's monotonic clock.

    No wall clock of two hosts is ever compared: the server stamps, each process translates.
    """

    __slots__ = ("_offset", "_round_trip")

    def __init__(self) -> None:
        self._offset: float | None = None
        self._round_trip = float("inf")

    def forget(self) -> None:
        """Begin anew: after a reconnect another server may answer."""
        self._offset, self._round_trip = None, float("inf")

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
            or round_trip < self._round_trip
            or not earliest - _SLACK <= self._offset <= latest + _SLACK
        ):
            self._offset = (earliest + latest) / 2
            self._round_trip = round_trip

    def now(self, monotonic: float) -> float | None:
        """Return the server's time in epoch seconds, or None before the first sample."""
        return None if self._offset is None else monotonic + self._offset
