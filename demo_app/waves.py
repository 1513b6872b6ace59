"""How a change spread over the fleet, from what each instance wrote down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the circuit at one instance; ``at`` is monotonic nanoseconds."""

    at: int
    old: str
    new: str
    cause: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """When and why one instance took up a state; ``delay`` is in milliseconds after the first."""

    shop: str
    cause: str
    delay: float

    @property
    def heard(self) -> bool:
        """Whether the instance learned it from the fleet."""
        return self.cause == "fleet"


def wave(changes: Mapping[str, Sequence[Change]], state: str, since: int) -> list[Arrival]:
    """Return when each instance first took up ``state`` after ``since``, the first one first.

    Instances that did not are missing.
    """
    firsts = sorted(
        (change.at, shop, change.cause)
        for shop, listed in changes.items()
        if (change := next((one for one in listed if one.new == state and one.at > since), None))
    )
    return [Arrival(shop, cause, delay=(at - firsts[0][0]) / 1e6) for at, shop, cause in firsts]


def describe_followers(arrivals: Sequence[Arrival]) -> str:
    """Say who followed the first and how fast: ``shop-2 after 0.8 ms, shop-3 after 0.9 ms``."""
    return ", ".join(f"{one.shop} after {one.delay:.1f} ms" for one in arrivals[1:])
