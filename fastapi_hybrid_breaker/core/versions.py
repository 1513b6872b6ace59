"""The order of versions: the only comparison, for states and for overrides.

Versions are microseconds of the server's clock, or a little more. One that lies more than a day
beyond that clock is a mistake, or the clock was set back since. It comes before all others: else it
would hide every later change for ever, and each of those would have to be numbered after it.
"""

from __future__ import annotations

from typing import Final

from .checks import DAY

NO_HORIZON: Final = float("inf")
"""The horizon as long as the server's time is not known: versions are compared as they are."""


def horizon_at(server_now: float | None) -> float:
    """Return the highest version that counts by the server's time in seconds, if that is known."""
    return NO_HORIZON if server_now is None else (server_now + DAY) * 1_000_000


def order(version: int, writer: str, horizon: float) -> tuple[bool, int, str]:
    """Return what to sort a version by; 0 stands for none, and comes first.

    Two writers can share a version after a failover that lost writes.
    """
    return (0 < version <= horizon, version, writer)


class Newest:
    """The highest version seen, which what comes next is numbered after.

    One beyond the horizon does not count, and one that has come to lie there since gives way.
    """

    __slots__ = ("_version",)

    def __init__(self) -> None:
        self._version = 0

    def note(self, version: int, horizon: float) -> None:
        """Record a version that was seen."""
        if self.within(horizon) < version <= horizon:
            self._version = version

    def within(self, horizon: float) -> int:
        """Return the highest, or 0 if it lies beyond the horizon."""
        return self._version if self._version <= horizon else 0


def is_newer(one: tuple[int, str], than: tuple[int, str], horizon: float) -> bool:
    """Return whether one version and writer come after another."""
    return order(*one, horizon) > order(*than, horizon)
