"""What a rate looks back on: the last calls, or the calls of the last seconds.

Each window is a frozen description, given to a rule, and makes the counts that a circuit keeps.
Counts are of a fixed size, whatever the traffic, and adding a call to them is one addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from .checks import check_between, check_count

SUCCEEDED: Final = 0
FAILED: Final = 1
SLOW: Final = 2  # added to one of the above
GIVEN_UP: Final = 4  # slow, and not counted: cancelled by the caller
"""Kinds of calls: success, failure, slow success, slow failure, slow and not counted."""

KINDS: Final = 5
"""How many kinds there are."""

NEVER: Final = float("-inf")

_MOST_COUNTED: Final = 100_000
_SHORTEST: Final = 0.001
_LONGEST: Final = 3600.0
_MOST_BUCKETS: Final = 100


class Counts(Protocol):
    """The calls in a window, by their kind."""

    by_kind: list[int]
    parts: int
    """How many parts make the window: calls, or buckets."""

    def add(self, now: float, kind: int) -> None:
        """Count a call that ended at ``now`` (monotonic seconds)."""

    def forget(self, now: float) -> None:
        """Drop what has left the window by ``now``."""

    def clear(self) -> None:
        """Drop everything."""

    def part(self, now: float) -> int:
        """Return the number of the present part, which rises as the window moves on."""

    def by_bucket(self, now: float) -> dict[int, tuple[int, ...]]:
        """Return the calls in the window by bucket and kind; nothing where there are no buckets."""


@dataclass(frozen=True, slots=True)
class CountWindow:
    """The last ``size`` calls, however long ago they were.

    Args:
        size: calls, 1 to 100,000; a circuit keeps one byte for each.

    Raises:
        TypeError, ValueError: another size.
    """

    size: int

    def __post_init__(self) -> None:
        check_count("size", self.size, _MOST_COUNTED)

    def __str__(self) -> str:
        return f"last {self.size} calls"

    def counts(self) -> Counts:
        """Make empty counts."""
        return _CountCounts(self.size)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The calls of the last ``seconds``, in rolling buckets.

    The oldest bucket leaves as a whole, so that the window reaches back between ``seconds`` and
    one bucket less.

    Args:
        seconds: length, 0.001 to 3,600.
        buckets: parts it moves in, 1 to 100, default 10.

    Raises:
        TypeError, ValueError: a value of another type or range.
    """

    seconds: float
    buckets: int = 10

    def __post_init__(self) -> None:
        wanted = (
            f"seconds must be a number from {_SHORTEST} to {_LONGEST:.0f}, not {self.seconds!r}"
        )
        check_between(self.seconds, wanted, least=_SHORTEST, most=_LONGEST)
        check_count("buckets", self.buckets, _MOST_BUCKETS)

    def __str__(self) -> str:
        return f"last {self.seconds:g} s"

    def counts(self) -> Counts:
        """Make empty counts."""
        return TimeCounts(self.seconds / self.buckets, self.buckets)


Window = CountWindow | TimeWindow


class _CountCounts:
    """A ring of the last calls' kinds, and how many there are of each."""

    __slots__ = ("_filled", "_next", "_number", "_ring", "by_kind", "parts")

    def __init__(self, size: int) -> None:
        self._ring = bytearray(size)
        self.parts = size
        self._number = 0  # of the last call
        self.clear()

    def clear(self) -> None:
        self.by_kind = [0] * KINDS
        self._next = 0
        self._filled = False

    def forget(self, now: float) -> None:
        """Nothing leaves but for a newer call."""

    def part(self, now: float) -> int:  # noqa: ARG002
        return self._number

    def by_bucket(self, now: float) -> dict[int, tuple[int, ...]]:  # noqa: ARG002
        return {}

    def add(self, now: float, kind: int) -> None:  # noqa: ARG002 - time is no matter here
        ring, at = self._ring, self._next
        if self._filled:
            self.by_kind[ring[at]] -= 1
        ring[at] = kind
        self.by_kind[kind] += 1
        self._number += 1
        at += 1
        if at == len(ring):
            at, self._filled = 0, True
        self._next = at


class TimeCounts:
    """Totals of the window, and what each closed bucket added to them.

    The present bucket has no counts of its own: it is what the totals have grown by since it
    began, and is worked out when it ends.

    ``end`` is when the present bucket ends.
    """

    __slots__ = ("_at_start", "_buckets", "_index", "_width", "by_kind", "end", "parts")

    def __init__(self, width: float, buckets: int) -> None:
        self._width = width
        self._buckets: list[tuple[int, ...] | None] = [None] * buckets
        self.parts: int = buckets
        self.clear()

    def clear(self) -> None:
        """Drop everything."""
        self.by_kind: list[int] = [0] * KINDS
        self._at_start: tuple[int, ...] = (0,) * KINDS
        self._index = 0
        self.end: float = NEVER  # no bucket has begun

    def forget(self, now: float) -> None:
        """Drop what has left the window by ``now``."""
        if now >= self.end:
            self._roll(int(now // self._width))

    def part(self, now: float) -> int:
        """Return the number of the present bucket."""
        self.forget(now)
        return self._index

    def by_bucket(self, now: float) -> dict[int, tuple[int, ...]]:
        """Return the calls in the window by bucket and kind."""
        self.forget(now)
        size, found = len(self._buckets), {}
        for back in range(1, size):
            bucket = self._buckets[(self._index - back) % size]
            if bucket is not None:
                found[self._index - back] = bucket
        grown = zip(self.by_kind, self._at_start, strict=True)
        found[self._index] = tuple(total - before for total, before in grown)
        return found

    def add(self, now: float, kind: int) -> None:
        """Count a call that ended at ``now``."""
        if now >= self.end:
            self._roll(int(now // self._width))
        self.by_kind[kind] += 1

    def _roll(self, index: int) -> None:
        """Begin bucket ``index``; drop the buckets that are a whole window behind it."""
        buckets, by_kind = self._buckets, self.by_kind
        size = len(buckets)
        totals = tuple(by_kind)
        if self.end == NEVER or index - self._index >= size:
            gone = [totals]
            for at in range(size):
                buckets[at] = None
        elif index > self._index:
            grown = zip(totals, self._at_start, strict=True)
            buckets[self._index % size] = tuple(total - before for total, before in grown)
            gone = []
            for at in range(self._index + 1, index + 1):
                bucket, buckets[at % size] = buckets[at % size], None
                if bucket is not None:
                    gone.append(bucket)
        else:
            return  # the end of a bucket, and a division, were rounded to two sides
        for kind in range(KINDS):
            for bucket in gone:
                by_kind[kind] -= bucket[kind]
        self._index, self.end = index, (index + 1) * self._width
        self._at_start = tuple(
            total - sum(bucket[kind] for bucket in gone) for kind, total in enumerate(totals)
        )
