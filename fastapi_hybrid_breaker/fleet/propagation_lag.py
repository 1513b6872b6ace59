"""How soon this process learns what others have changed, and whether by messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LATE: Final = 1.0
"""Seconds within which a reading is faster than the message, or follows from it."""


_STAMP: Final = 0.001
"""Seconds: stamps are whole milliseconds, cut off."""


class PropagationLag:
    """Counts over all sessions of a breaker; the clock is the server's, in epoch seconds.

    ``lag`` is how long the last change took to get here, ``corrected`` the number of changes that
    were read, later than ``LATE``, though they were written while this process was subscribed: so
    long it disagreed with the fleet, since the message was lost or held up. ``heard`` is called
    with the lag of each change, and whether it came by a message.
    """

    __slots__ = ("_awaits_time", "_since", "corrected", "heard", "lag", "unread")

    def __init__(self) -> None:
        self.lag: float | None = None
        self.corrected: int = 0
        self._since: float | None = None  # subscribed, by the server's clock
        self._awaits_time = False
        self.unread: dict[str, float] = {}
        """Circuits made here whose hash has not been read yet, and when they were made (monotonic
        seconds): they have missed no message."""
        self.heard: Callable[[float, bool], object] | None = None

    def start(self) -> None:
        """Begin a session: nothing is subscribed to yet."""
        self._since, self._awaits_time = None, False

    def subscribed(self) -> None:
        """Record that messages come from now on; the next answer says what time that is."""
        self._since, self._awaits_time = None, True

    def take_time(self, server_now: float | None) -> None:
        """Record the server's time with an answer of the server."""
        if self._awaits_time and server_now is not None:
            self._since, self._awaits_time = server_now - _STAMP, False

    def learned(self, written_at: float, server_now: float | None, *, by_message: bool) -> None:
        """Record that another's change was taken in that was written at ``written_at``."""
        if server_now is None or self._since is None or not written_at:
            return
        lag = max(0.0, server_now - written_at)
        if not by_message:
            if written_at < self._since:
                return  # there were no messages to hear then
            self.corrected += lag >= LATE
        self.lag = lag
        if self.heard is not None:
            self.heard(lag, by_message)
