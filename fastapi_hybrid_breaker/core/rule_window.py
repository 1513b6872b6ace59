"""One window of calls, and the rules that look at it."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

from .shared_run import BucketDelta
from .states import FAILURE, SUCCESS
from .totals import Totals, share_of, totals_of
from .windows import FAILED, GIVEN_UP, KINDS, SLOW, SUCCEEDED, TimeCounts, TimeWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .evidence import Evidence
    from .peers import Peers
    from .rules import FailureRate, Rule, SlowCallRate
    from .states import Outcome
    from .windows import Counts, Window


class RuleWindow:
    """One bookkeeping: a window, when a call is slow, and the rules that look at it.

    ``over_threshold`` says that a rule's rate was reached, whatever the number of calls: the fleet
    may have enough of them.
    """

    __slots__ = (
        "_asked",
        "_is_merged",
        "_limit",
        "_peers",
        "_told",
        "counts",
        "over_threshold",
        "rules",
        "slower_than",
        "window",
    )

    def __init__(self, window: Window, slower_than: float | None, peers: Peers) -> None:
        self.window: Window = window
        self.slower_than: float | None = slower_than
        self._limit = inf if slower_than is None else slower_than
        self.counts: Counts = window.counts()
        self.rules: list[FailureRate | SlowCallRate] = []
        self.over_threshold: bool = False
        self._is_merged = isinstance(window, TimeWindow)  # nobody knows the last n calls of a fleet
        self._peers = peers
        self._told: dict[int, tuple[int, ...]] = {}  # by bucket: what was reported to the fleet
        self._asked: deque[tuple[int, float]] | None = None  # see ``asked``

    @property
    def name(self) -> str:
        """What the same window is called in all instances."""
        if not isinstance(self.window, TimeWindow):
            return str(self.window)
        limit = None if self.slower_than is None else float(self.slower_than)
        return f"{float(self.window.seconds)} s by {self.window.buckets}, slow over {limit}"

    def add(
        self, now: float, outcome: Outcome, seconds: float | None, asked: float | None
    ) -> Rule | None:
        """Count a call that took ``seconds`` (None: not measured); return a rule now fulfilled.

        ``asked`` is the pause in seconds that the upstream asked for, or None.
        """
        is_slow = seconds is not None and seconds > self._limit
        if outcome is SUCCESS:
            kind = SUCCEEDED + SLOW if is_slow else SUCCEEDED
        elif outcome is FAILURE:
            kind = FAILED + SLOW if is_slow else FAILED
        elif is_slow:
            kind = GIVEN_UP
        else:
            return None
        counts = self.counts
        counts.add(now, kind)
        if asked is not None:
            self._note_asked(counts.part(now), asked)
        _, failed, slow, slow_failed, given_up = counts.by_kind
        if not (failed or slow or slow_failed or given_up):
            self.over_threshold = False  # nothing but quick successes
            return None
        return self.judge(self.totals())

    def _note_asked(self, part: int, asked: float) -> None:
        """Keep a pause that was asked for, and drop what it makes needless: shorter and older."""
        if self._asked is None:
            self._asked = deque()
        while self._asked and self._asked[-1][1] <= asked:
            self._asked.pop()
        if not self._asked or self._asked[-1][0] != part:
            self._asked.append((part, asked))

    def asked(self, now: float) -> float | None:
        """Return the longest pause asked for by a call in the window; None: none was."""
        if self._asked is None:
            return None
        oldest = self.counts.part(now) - self.counts.parts
        while self._asked and self._asked[0][0] <= oldest:
            self._asked.popleft()
        return self._asked[0][1] if self._asked else None

    def judge(self, totals: Totals) -> Rule | None:
        """Return a rule that ``totals`` fulfil, and note whether a rate is reached at all."""
        self.over_threshold = False
        for rule in self.rules:
            calls, bad = share_of(rule, totals)
            # Divided, not multiplied: a quotient equal to the rate as written is the same float.
            if calls and bad / calls >= rule.rate:
                self.over_threshold = self._is_merged
                if calls >= self._peers.minimum(rule.minimum_calls):
                    return rule
        return None

    def judge_fleet(self, kinds: Sequence[int]) -> Rule | None:
        """Return a rule that the calls of the whole fleet fulfil, given by their kind."""
        totals = totals_of(kinds)
        for rule in self.rules:
            calls, bad = share_of(rule, totals)
            if calls >= rule.minimum_calls and bad / calls >= rule.rate:
                return rule
        return None

    def tallies(self, now: float, *, always: bool) -> Iterator[BucketDelta]:
        """Return the calls that were not reported yet; they count as reported.

        ``always``: something, even where there is nothing new, so that the sum is sent in return.
        """
        if not isinstance(self.window, TimeWindow):
            return  # the last n calls of a fleet are nobody's to know
        buckets = self.counts.by_bucket(now)
        width = self.window.seconds / self.window.buckets
        for index, kinds in buckets.items():
            told = self._told.get(index, (0,) * len(kinds))
            new = tuple(all_of - before for all_of, before in zip(kinds, told, strict=True))
            if any(new):
                always = False
                yield BucketDelta(self.name, width, self.window.buckets, index * width, new)
        self._told = buckets
        if always:
            yield BucketDelta(self.name, width, self.window.buckets, now, (0,) * KINDS)

    def clear(self) -> None:
        """Begin anew."""
        self.counts.clear()
        self._told = {}
        self._asked = None
        self.over_threshold = False

    def add_to(self, evidence: Evidence, kinds: Sequence[int] | None = None) -> Evidence:
        """Put figures into evidence: the window's, or those of the whole fleet's calls."""
        totals = self.totals() if kinds is None else totals_of(kinds)
        return replace(
            evidence,
            window=str(self.window),
            calls=totals.calls + totals.given_up,
            failed=totals.failures,
            slow=totals.slow,
        )

    def kinds_at(self, now: float) -> Sequence[int]:
        """Return the counts by kind, zeros once all have left the window; changes nothing."""
        counts, window = self.counts, self.window
        if (
            isinstance(counts, TimeCounts)
            and isinstance(window, TimeWindow)
            and now >= counts.end + window.seconds
        ):
            return (0,) * KINDS
        return counts.by_kind

    def totals_at(self, now: float) -> Totals:
        """Return the counts without what has left the window by ``now``."""
        self.counts.forget(now)
        return self.totals()

    def totals(self) -> Totals:
        """Return the counts as they stood after the last call."""
        return totals_of(self.counts.by_kind)
