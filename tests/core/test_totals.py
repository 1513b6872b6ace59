"""What rules look at among the calls of a window."""

from __future__ import annotations

from fastapi_hybrid_breaker.core.rules import CountWindow, FailureRate, SlowCallRate
from fastapi_hybrid_breaker.core.totals import Totals, share_of, totals_of


def test_calls_are_summed_by_what_they_were() -> None:
    assert totals_of((1, 20, 300, 4_000, 50_000)) == Totals(4321, 4020, 54_300, 50_000)


def test_a_rate_of_slow_calls_looks_at_those_that_were_not_counted_too() -> None:
    totals = totals_of((1, 20, 300, 4_000, 50_000))
    assert share_of(FailureRate(0.5, window=CountWindow(100)), totals) == (4321, 4020)
    assert share_of(SlowCallRate(0.5, slower_than=1.0, window=CountWindow(100)), totals) == (
        54_321,
        54_300,
    )
