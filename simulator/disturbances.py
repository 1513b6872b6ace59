"""What has been wrong with whom, and for how long it has been well since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .scenario import Event, Kind

ONLY_MESSAGES: Final[frozenset[Kind]] = frozenset({"drops", "repeats", "shuffles", "wall"})
"""Disturbances that leave commands and their answers alone."""

NONE_AT_ALL: Final[frozenset[Kind]] = frozenset()


@dataclass(eq=False)
class Disturbance:
    """Something that happened to the server (``instances`` is empty) or to some instances."""

    kind: Kind
    instances: frozenset[int]
    ended: float | None = None


class Disturbances:
    """All that has happened to the server, links, processes and clocks; not to upstreams."""

    def __init__(self) -> None:
        self._all: list[Disturbance] = []

    def begin(self, event: Event, instances: frozenset[int]) -> Disturbance:
        """Note that something begins; whoever ends it sets ``ended``."""
        one = Disturbance(event.kind, instances)
        self._all.append(one)
        return one

    def last(self, instance: int | None, ignoring: frozenset[Kind]) -> float | None:
        """Return when the last one ended, 0.0 if there was none; None: one lasts.

        Args:
            instance: whom it must have concerned, as those of the server do; None: anyone.
            ignoring: kinds that do not matter.
        """
        last = 0.0
        for one in self._all:
            concerns = instance is None or not one.instances or instance in one.instances
            if concerns and one.kind not in ignoring:
                if one.ended is None:
                    return None
                last = max(last, one.ended)
        return last
