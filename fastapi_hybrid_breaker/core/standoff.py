"""Probes that cannot succeed because they hold the place that a call inside of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .probe import Probe

_YIELD_AFTER: Final = 3
"""Such ends in a row after which guards of routes leave the places to the calls inside."""

_CHANCE: Final = 0.5
"""Chance to take the place of a holder that may, or may not, enclose the call."""


class Standoff:
    """What one recovery has learned about calls that are rejected inside of a probe.

    A call cannot always know that it runs inside of a probe of its circuit: its context is empty
    in an executor, and in a task that was started earlier. It is then short of the very place
    that the enclosing call holds. So places move: a route's guard is only a gate for what is
    called inside of it, and hands its place on at once; other holders do by chance, after a probe
    has ended because its own circuit rejected a call inside of it.
    """

    __slots__ = ("_in_a_row", "routes_yield")

    def __init__(self) -> None:
        self._in_a_row = 0
        self.routes_yield = False
        """Whether guards of routes take no place for the rest of this recovery."""

    def occurred(self) -> None:
        """Record that a probe ended because its own circuit rejected a call inside of it."""
        self._in_a_row += 1
        if self._in_a_row >= _YIELD_AFTER:
            self.routes_yield = True

    def resolved(self) -> None:
        """Record that a probe had an outcome."""
        self._in_a_row = 0


def find_holder(
    probes: Sequence[Probe], standoff: Standoff | None, random: Callable[[], float]
) -> Probe | None:
    """Return the probe whose place moves to a call that found none, or None.

    Args:
        probes: those that hold a place, the oldest first.
        standoff: what this recovery has learned; None: nothing of the kind has occurred.
        random: returns a number from 0 to 1.
    """
    for probe in probes:
        if probe.is_route:
            return probe
    if standoff is None:
        return None
    for probe in probes:
        if not probe.is_challenged:
            probe.is_challenged = True
            return probe if random() < _CHANCE else None
    return None
