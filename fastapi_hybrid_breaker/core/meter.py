"""What a circuit counts while CLOSED, and which of its rules that fulfils."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from .rules import ConsecutiveFailures, FailureRate, SlowCallRate
from .states import Outcome
from .windows import FAILED, GIVEN_UP, SLOW, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .evidence import Evidence
    from .rules import Rule
    from .windows import Counts, Window


class Totals(NamedTuple):
    """The calls in a window.

    Args:
        calls: calls with a verdict.
        failures: failures among them.
        slow: slow calls, with a verdict or without.
        given_up: slow calls without a verdict, which ``calls`` leaves out.
    """

    calls: int
    failures: int
    slow: int
    given_up: int


class Rates(NamedTuple):
    """What is shown of the windows; None where nothing is measured, or nothing was called."""

    calls: int | None
    failed: float | None
    slow: float | None


class Book:
    """One bookkeeping: a window, when a call is slow, and the rules that look at it."""

    __slots__ = ("counts", "rules", "slower_than", "window")

    def __init__(self, window: Window, slower_than: float | None) -> None:
        self.window = window
        self.slower_than = slower_than
        self.counts: Counts = window.counts()
        self.rules: list[FailureRate | SlowCallRate] = []

    def add(self, now: float, outcome: Outcome, seconds: float | None) -> Rule | None:
        """Count a call that took ``seconds`` (None: not measured); give a rule now fulfilled."""
        is_slow = (
            self.slower_than is not None and seconds is not None and seconds > self.slower_than
        )
        if outcome is Outcome.SUCCESS:
            kind = SUCCEEDED + SLOW if is_slow else SUCCEEDED
        elif outcome is Outcome.FAILURE:
            kind = FAILED + SLOW if is_slow else FAILED
        elif is_slow:
            kind = GIVEN_UP
        else:
            return None
        self.counts.add(now, kind)
        by_kind = self.counts.by_kind
        if not (by_kind[1] or by_kind[2] or by_kind[3] or by_kind[4]):
            return None  # nothing but swift successes
        totals = self.totals()
        for rule in self.rules:
            if _is_fulfilled(rule, totals):
                return rule
        return None

    def add_to(self, evidence: Evidence) -> Evidence:
        """Put the window's figures into evidence."""
        totals = self.totals()
        return replace(
            evidence,
            window=str(self.window),
            calls=totals.calls + totals.given_up,
            failed=totals.failures,
            slow=totals.slow,
        )

    def totals_at(self, now: float) -> Totals:
        """Give the counts without what has left the window by ``now``."""
        self.counts.forget(now)
        return self.totals()

    def totals(self) -> Totals:
        """Give the counts as they stood after the last call."""
        succeeded, failed, slow, slow_failed, given_up = self.counts.by_kind
        return Totals(
            calls=succeeded + failed + slow + slow_failed,
            failures=failed + slow_failed,
            slow=slow + slow_failed + given_up,
            given_up=given_up,
        )


class Meter:
    """The bookkeepings of one circuit: one for each window, shared by the rules that can.

    ``run`` is the number of failures in a row that opens it, or 0: no such rule. The run itself
    is the machine's, which has it anyway.
    """

    __slots__ = ("books", "run", "slow")

    def __init__(self, rules: Sequence[Rule]) -> None:
        runs = [rule.threshold for rule in rules if isinstance(rule, ConsecutiveFailures)]
        self.run = min(runs, default=0)
        self.books: list[Book] = []
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
        self.slow = min(slow, default=None)

    def add(self, now: float, outcome: Outcome, seconds: float | None) -> tuple[Book, Rule] | None:
        """Count a call in every window; give the first rule fulfilled, and the window's book."""
        found = None
        for book in self.books:
            rule = book.add(now, outcome, seconds)
            if rule is not None and found is None:
                found = book, rule
        return found

    def rates(self, now: float) -> Rates:
        """Give the figures of the first window, and the slow calls of the first that has any."""
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

    def clear(self) -> None:
        """Begin with empty windows."""
        for book in self.books:
            book.counts.clear()

    def _book(self, window: Window, slower_than: float | None) -> Book:
        for book in self.books:
            if book.window == window and slower_than in {None, book.slower_than}:
                return book
        book = Book(window, slower_than)
        self.books.append(book)
        return book


def _is_fulfilled(rule: FailureRate | SlowCallRate, totals: Totals) -> bool:
    # Divided, not multiplied: a quotient equal to the rate as written is the same float.
    if isinstance(rule, FailureRate):
        calls, bad = totals.calls, totals.failures
    else:
        calls, bad = totals.calls + totals.given_up, totals.slow
    return calls >= rule.minimum_calls and bad / calls >= rule.rate
