"""What a circuit counts while CLOSED, and which of its rules that fulfils."""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from .peers import Peers
from .rule_window import RuleWindow
from .rules import ConsecutiveFailures, FailureRate, SlowCallRate
from .totals import Rates
from .windows import FAILED, SUCCEEDED, TimeWindow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .rules import Rule
    from .shared_run import BucketDelta
    from .states import Outcome
    from .windows import Window

RUN_LIFE: Final = 3600.0
"""Seconds after which a failure leaves a run: failures far apart are no outage."""

_TOGETHER: Final = 1.0
"""Seconds within which failures are kept, and leave, as one: so a run is bounded in memory."""


class Run:
    """Consecutive failures since the last success; those of over an hour ago have left.

    Made with the first failure, and dropped by whoever has it with the success that ends it.
    ``asked`` is the longest pause that was asked for, as of the last failure; None: none was.
    """

    __slots__ = ("_asked", "_at", "_before", "_failures", "_older", "asked")

    def __init__(self) -> None:
        self.asked: float | None = None
        self._failures = 0  # in all parts
        # The newest part: when it began, how many came before it, the longest pause asked for.
        self._at = float("-inf")
        self._before = 0
        self._asked: float | None = None
        self._older: deque[tuple[float, int, float | None]] = deque()

    def add(self, now: float, asked: float | None) -> int:
        """Count a failure that asked for a pause of ``asked`` seconds; return the new length."""
        if now - self._at >= _TOGETHER:
            self._begin_part(now)
        self._failures += 1
        if asked is not None:
            self._asked = _longer(asked, self._asked)
            self.asked = _longer(asked, self.asked)
        return self._failures

    def _begin_part(self, now: float) -> None:
        if self._failures:
            self._older.append((self._at, self._failures - self._before, self._asked))
        while self._older and now - self._older[0][0] > RUN_LIFE:
            self._failures -= self._older.popleft()[1]
        self._at, self._before, self._asked = now, self._failures, None
        self.asked = None
        for _, _, asked in self._older:
            self.asked = _longer(asked, self.asked)

    def count(self, now: float) -> int:
        """Return how many failures the run has at ``now``."""
        parts = (*self._older, (self._at, self._failures - self._before, self._asked))
        return sum(failures for at, failures, _ in parts if now - at <= RUN_LIFE)


def _longer(one: float | None, other: float | None) -> float | None:
    """Return the longer of two pauses that were asked for, either of which may be None."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)


class Statistics:
    """What one circuit counts: its consecutive failures, and a window for the rules that share it.

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
        return None if self.run is None else self.run.asked

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
        """Return the calls that were not reported to the fleet yet; see ``RuleWindow.tallies``."""
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
