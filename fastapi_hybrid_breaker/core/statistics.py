"""What a circuit counts while CLOSED, and which of its rules that fulfils."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING

from .peers import Peers
from .rules import ConsecutiveFailures, FailureRate, SlowCallRate
from .shared_run import BucketDelta
from .states import FAILURE, SUCCESS
from .totals import Rates, Totals, share_of, totals_of
from .windows import FAILED, GIVEN_UP, KINDS, SLOW, SUCCEEDED, TimeCounts, TimeWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .evidence import Evidence
    from .rules import Rule
    from .run import Run
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
        self._told: dict[int, tuple[int, ...]] = {}  # by bucket: what the fleet has been told
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
        """Return the calls that the fleet has not been told of; they count as told.

        ``always``: something, even where there is nothing new, so that the sum is told in return.
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


class Statistics:
    """What one circuit counts: its run of failures, and a window for the rules that share it.

    ``run_threshold`` is the number of consecutive failures that opens it, or 0: no such rule.
    ``run`` are those failures, None where there are none. ``slow`` are the seconds after which
    some rule calls a call slow, or None.
    """

    __slots__ = (
        "_peers",
        "books",
        "over_threshold",
        "run",
        "run_rule",
        "run_threshold",
        "slow",
    )

    def __init__(self, rules: Sequence[Rule], peers: Peers | None = None) -> None:
        self._peers = peers or Peers()
        self.over_threshold: bool = False  # a book is, or was when it was last asked
        runs = [rule for rule in rules if isinstance(rule, ConsecutiveFailures)]
        self.run_rule: ConsecutiveFailures | None = min(
            runs, key=attrgetter("threshold"), default=None
        )
        self.run_threshold: int = 0 if self.run_rule is None else self.run_rule.threshold
        self.run: Run | None = None
        self.books: list[RuleWindow] = []
        for rule in rules:
            if isinstance(rule, SlowCallRate):
                self._book(rule.window, rule.slower_than).rules.append(rule)
        for rule in rules:  # after those that need a book of a certain kind
            if isinstance(rule, FailureRate):
                self._book(rule.window, None).rules.append(rule)
        for book in self.books:  # figures and evidence are of the rule that was given first
            book.rules.sort(key=rules.index)
        self.books.sort(key=lambda book: rules.index(book.rules[0]))
        slow = [book.slower_than for book in self.books if book.slower_than is not None]
        self.slow: float | None = min(slow, default=None)

    def asked(self, book: RuleWindow | None, now: float) -> float | None:
        """Return the longest pause asked for in a rule's window, or in the run (None)."""
        if book is not None:
            return book.asked(now)
        return None if self.run is None else self.run.asked()

    def add(
        self, now: float, outcome: Outcome, seconds: float | None, asked: float | None = None
    ) -> tuple[RuleWindow, Rule] | None:
        """Count a call in every window; return the first rule fulfilled, and the window's book."""
        found = None
        for book in self.books:
            rule = book.add(now, outcome, seconds, asked)
            if book.over_threshold:
                self.over_threshold = True
            if rule is not None and found is None:
                found = book, rule
        return found

    def remembers(self, now: float) -> tuple[bool, bool]:
        """Return whether there are successes in the windows, and whether failures or slow calls.

        May be asked without the lock: it changes nothing.
        """
        if not self.books:
            return False, False
        kinds = [book.kinds_at(now) for book in self.books]
        return any(one[SUCCEEDED] for one in kinds), any(any(one[FAILED:]) for one in kinds)

    def rates(self, now: float) -> Rates:
        """Return the figures of the first window, and the slow calls of the first that has any."""
        if not self.books:
            return Rates(None, None, None)
        totals = self.books[0].totals_at(now)
        failed = totals.failures / totals.calls if totals.calls else None
        slow = None
        for book in self.books:
            if book.slower_than is not None:
                totals_there = book.totals_at(now)
                measured = totals_there.calls + totals_there.given_up
                slow = totals_there.slow / measured if measured else None
                break
        return Rates(totals.calls, failed, slow)

    def longest_window(self) -> float:
        """Return the seconds of the longest window in time; 0.0 without one."""
        windows = [book.window for book in self.books]
        return max((one.seconds for one in windows if isinstance(one, TimeWindow)), default=0.0)

    def tallies(self, now: float, *, always: bool) -> tuple[BucketDelta, ...]:
        """Return the calls that the fleet has not been told of; see ``RuleWindow.tallies``."""
        return tuple(tally for book in self.books for tally in book.tallies(now, always=always))

    def judge(self, now: float) -> bool:
        """Return whether a rate is reached by the calls that are in the windows now."""
        for book in self.books:
            book.judge(book.totals_at(now))
        self.over_threshold = any(book.over_threshold for book in self.books)
        return self.over_threshold

    def judge_fleet(self, calls: Mapping[str, Sequence[int]]) -> tuple[RuleWindow, Rule] | None:
        """Return a rule that the fleet's calls fulfil; they are given by window and kind."""
        for book in self.books:
            kinds = calls.get(book.name)
            rule = None if kinds is None else book.judge_fleet(kinds)
            if rule is not None:
                return book, rule
        return None

    def clear_windows(self) -> None:
        """Begin with empty windows."""
        for book in self.books:
            book.clear()
        self.over_threshold = False

    def _book(self, window: Window, slower_than: float | None) -> RuleWindow:
        for book in self.books:
            if book.window == window and slower_than in {None, book.slower_than}:
                return book
        book = RuleWindow(window, slower_than, self._peers)
        self.books.append(book)
        return book
