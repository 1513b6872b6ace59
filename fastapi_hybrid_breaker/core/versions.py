"""The order of versions: the only comparison, for states and for overrides.

Versions are microseconds of the server's clock, or a little more. One that lies more than a day
beyond that clock is a mistake, or the clock was set back since. It comes before all others: else it
would hide every later change for ever, and each of those would have to be numbered after it.
"""

from __future__ import annotations

from typing import Final

from .checks import DAY

NO_HORIZON: Final = float("inf")
"""The horizon where versions are compared among themselves, whatever the clock says."""


def horizon_at(server_now: float) -> float:
    """Return the highest version that counts when the server's clock says so many seconds."""
    return (server_now + DAY) * 1_000_000


def order(version: int, writer: str, horizon: float) -> tuple[bool, int, str]:
    """Return what to sort a version by; 0 stands for none, and comes first.

    Two writers can share a version after a failover that lost writes.
    """
    return (0 < version <= horizon, version, writer)


def is_newer(one: tuple[int, str], than: tuple[int, str], horizon: float) -> bool:
    """Return whether one version and writer come after another."""
    return order(*one, horizon) > order(*than, horizon)
