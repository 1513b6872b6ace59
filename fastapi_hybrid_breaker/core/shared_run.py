"""What one process adds to what its fleet counts of a CLOSED circuit. Pure; under its lock.

Two things travel: the failures of the own run, so that runs join across instances, and the calls
in time windows, so that rates do. A success anywhere ends the fleet's run; to be able to say so,
a process notes when its last success was, but only while a run is under way somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONGEST_RUN: Final = 500
"""Consecutive failures reported at most; rules that ask for more count this process's own alone."""

ANNOUNCED_AGAIN: Final = 1.2
"""Seconds after which at the latest more failures of a run are announced again."""

_NOT_LISTENING: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class BucketDelta:
    """Calls of one bucket of a window.

    Args:
        window: what it is a part of: length, buckets and limit of slow calls, in words; only
            the same windows are added up.
        width: seconds of a bucket.
        buckets: how many make the window.
        at: when the bucket began, monotonic seconds.
        kinds: calls by their kind, as windows count them, which were not reported before.
    """

    window: str
    width: float
    buckets: int
    at: float
    kinds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What this process has to report of a circuit; all times are monotonic seconds.

    Args:
        generation: the machine's, in which this was counted.
        version, writer: of the fleet's state under which it was counted.
        threshold: failures in a row that open the circuit by its rules here; 0: no such rule.
        failures: when failures were that were not reported before.
        success_at: when the last success was, where that is to be reported; else None.
        tallies: calls that were not reported before.
        over_threshold: this process's own calls reach a rule's rate.
    """

    generation: int
    version: int
    writer: str
    threshold: int
    failures: tuple[float, ...]
    success_at: float | None
    tallies: tuple[BucketDelta, ...]
    over_threshold: bool


class SharedRun:
    """The part of this process in the fleet's consecutive failures.

    ``untold`` are the times of the failures since the own last success that were not reported yet;
    ``has_told`` says that the fleet's run may hold failures of ours; ``owes_success`` that it
    has to hear of a success; ``success_at`` is the latest success noted; ``error`` describes the
    last failure.
    """

    __slots__ = (
        "_armed_at",
        "_listens_until",
        "error",
        "has_told",
        "owes_success",
        "success_at",
        "untold",
    )

    def __init__(self) -> None:
        self.untold: list[float] = []
        self.has_told: bool = False
        self.owes_success: bool = False
        self.success_at: float | None = None
        self.error: str = ""
        self._listens_until = _NOT_LISTENING
        self._armed_at = _NOT_LISTENING

    def failed(self, now: float, error: str) -> None:
        """Note a failure, and what it was."""
        self.error = error
        if len(self.untold) >= LONGEST_RUN:
            del self.untold[0]
        self.untold.append(now)

    def succeeded(self, now: float) -> None:
        """Note a success: the own run is over, and the fleet's with it."""
        self.untold.clear()
        self.success_at = now
        if self.has_told:
            self.owes_success = True

    def listen(self, now: float, until: float) -> None:
        """Note successes from now on: a run is under way somewhere."""
        self._armed_at = now
        self._listens_until = max(self._listens_until, until)

    def stop_listening(self, at: float) -> None:
        """Note successes only until ``at``: the run has ended.

        Not at once, for the next one may begin before anybody hears of it.
        """
        self._listens_until = min(self._listens_until, at)

    def is_listening(self, now: float) -> bool:
        """Return whether successes matter.

        One is enough until failures are announced again, as they are if some come a second later.
        """
        if self.has_told:
            return True
        if now >= self._listens_until:
            return False
        is_noted = self.success_at is not None and self.success_at > self._armed_at
        return not is_noted or now < self._armed_at + ANNOUNCED_AGAIN

    def ended(self) -> None:
        """Record that the fleet's run holds nothing of ours any more."""
        self.has_told = self.owes_success = False

    def take(self) -> tuple[tuple[float, ...], float | None]:
        """Return what is to be reported of the run: failures, and the last success if it matters.

        It counts as reported; whoever takes it makes sure that it arrives.
        """
        failures = tuple(self.untold)
        success_at = self.success_at if failures or self.owes_success else None
        self.untold.clear()
        self.owes_success = False
        # A success that is reported covers all that was reported before.
        self.has_told = bool(failures) or (self.has_told and success_at is None)
        return failures, success_at
