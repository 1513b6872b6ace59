"""Probes that cannot succeed because they hold the place that a call inside of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .probe import Probe

ROUTE: Final = "route"
"""The kind of a route's guard, which is only a gate for what is called inside of it."""

_YIELD_AFTER: Final = 3
"""Such ends in a row after which guards of routes leave the places to the calls inside."""

_CHANCES: Final = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
"""One is drawn for each holder that may, or may not, enclose a call: the chance with which its
place moves to that call. Nobody knows how many calls compete for the place, and those that are not
inside of the holder are only in the way of the one that is: of many, few may try."""


class Standoff:
    """What one recovery has learned about calls that are rejected inside of a probe.

    A call cannot always know that it runs inside of a probe of its circuit: its context is empty
    in an executor, and in a task that was started earlier. It is then short of the very place
    that the enclosing call holds. So places move. That of a route's guard does at once. Others do
    after a probe has ended because its own circuit rejected a call inside of it: to calls of the
    kind that was rejected then, from calls of other kinds. Among calls of one kind nobody can know
    which of them encloses which, so they move by chance.
    """

    __slots__ = ("_in_a_row", "_is_elsewhere", "_routes_yield", "inner")

    def __init__(self) -> None:
        self.inner: set[object] = set()
        """Kinds of calls that were rejected inside of a probe."""
        self._in_a_row = 0
        self._routes_yield = False  # for the rest of this recovery
        self._is_elsewhere = False  # the calls inside run in another process

    def occurred(self, probe: Probe, kind: object) -> None:
        """Record that ``probe`` ended because its circuit rejected a call of ``kind`` inside it."""
        self.inner.add(kind)
        # No place can move to a route's guard, nor to a call in another process.
        if ROUTE in (kind, probe.kind):
            self._in_a_row += 1
            if self._in_a_row >= _YIELD_AFTER:
                self._routes_yield = True
                self._is_elsewhere = kind is not ROUTE

    def resolved(self) -> None:
        """Record that a probe had an outcome."""
        self._in_a_row = 0

    def may_route_pass(self, *, is_free: bool, random: Callable[[], float]) -> bool:
        """Whether a route's guard is to pass without a place, as a gate that is not counted.

        ``is_free``: there is a place. It is left to a call in another process, for which any place
        here is one too many; a call here may be what took it, or may need it, so chance decides.
        """
        return self._routes_yield and (self._is_elsewhere or not is_free or random() < 0.5)


def find_holder(
    probes: Sequence[Probe], standoff: Standoff | None, kind: object, random: Callable[[], float]
) -> Probe | None:
    """Return the probe whose place moves to a call that found none, or None.

    Args:
        probes: those that hold a place, the oldest first.
        standoff: what this recovery has learned; None: nothing of the kind has occurred.
        kind: that of the call.
        random: returns a number from 0 to 1.
    """
    if kind is ROUTE:
        return None
    for probe in probes:
        if probe.kind is ROUTE:
            return probe
    if standoff is None or kind not in standoff.inner:
        return None
    for probe in probes:
        if probe.kind not in standoff.inner:
            return probe
    for probe in probes:
        if probe.chance is None:
            probe.chance = _CHANCES[int(random() * len(_CHANCES))]
        if random() < probe.chance:
            return probe
    return None
