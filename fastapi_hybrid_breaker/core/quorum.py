"""How many instances must see trouble before a circuit opens for all of them."""

from __future__ import annotations

from math import ceil
from typing import Final, TypeAlias

_MOST: Final = 1_000_000

_ROUNDING: Final = 1e-9
"""A share times a number of instances that is whole but for rounding is that whole number."""

Quorum: TypeAlias = int | float
"""A count of instances, or a share (below 1) of those that live."""


def check_quorum(value: object) -> None:
    """Raise unless ``value`` is a quorum.

    Raises:
        TypeError, ValueError: it is none.
    """
    wanted = (
        f"quorum must be a count of instances from 1 to {_MOST},"
        f" or a share of them above 0 and below 1, not {value!r}"
    )
    if isinstance(value, float) and value == 1:
        wanted += f" (write 1 for a single instance, {_MOST} for all that live)"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(wanted)
    if not (0 < value < 1 or (isinstance(value, int) and 1 <= value <= _MOST)):
        raise ValueError(wanted)


def votes_needed(quorum: Quorum, live: int) -> int:
    """Return how many of ``live`` instances make the quorum: at least one, all of them at most."""
    live = max(1, live)
    needed = quorum if quorum >= 1 else ceil(quorum * live - _ROUNDING)
    return max(1, min(int(needed), live))
