"""Sums of the calls in a window, and what rules and pages make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .rules import FailureRate, SlowCallRate

if TYPE_CHECKING:
    from collections.abc import Sequence


class Totals(NamedTuple):
    """The calls in a window.

    Args:
        calls: counted calls.
        failures: failures among them.
        slow: slow calls, counted or not.
        given_up: slow calls that were not counted, which ``calls`` leaves out.
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


def totals_of(kinds: Sequence[int]) -> Totals:
    """Return the counts of calls, given by their kind."""
    succeeded, failed, slow, slow_failed, given_up = kinds
    return Totals(
        calls=succeeded + failed + slow + slow_failed,
        failures=failed + slow_failed,
        slow=slow + slow_failed + given_up,
        given_up=given_up,
    )


def share_of(rule: FailureRate | SlowCallRate, totals: Totals) -> tuple[int, int]:
    """Return the calls that a rule looks at, and how many of them are bad."""
    if isinstance(rule, FailureRate):
        return totals.calls, totals.failures
    return totals.calls + totals.given_up, totals.slow
