"""The versions that this process has seen, and which of them count by the server's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi_hybrid_breaker.core.versions import Newest, horizon_at
from fastapi_hybrid_breaker.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from collections.abc import Callable


class SeenVersions:
    """Keeps the highest one that counts, and reports those that do not.

    Args:
        clock: monotonic seconds.
        server_now: returns the server's time, epoch seconds; None: not known.
    """

    def __init__(self, clock: Callable[[], float], server_now: Callable[[], float | None]) -> None:
        self._server_now = server_now
        self._newest = Newest()
        self.far: ThrottledLog = ThrottledLog(clock, "from Redis: ")

    def horizon(self) -> float:
        """Return the highest version that counts by the server's clock, as far as it is known."""
        return horizon_at(self._server_now())

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
