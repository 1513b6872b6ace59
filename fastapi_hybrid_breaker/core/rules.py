"""When a circuit opens: rules, frozen, apart from the machine that obeys them."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from .checks import check_count, check_seconds, check_share
from .states import Cause
from .windows import CountWindow, TimeWindow, Window

_DEFAULT_WINDOW = TimeWindow(10.0)


class Rule:
    """When a circuit opens: one of the rules below."""

    __slots__ = ()

    cause: ClassVar[Cause] = Cause.FAILURES
    """What an opening by the rule is called."""


@dataclass(frozen=True, slots=True)
class ConsecutiveFailures(Rule):
    """Open at ``threshold`` failures in a row.

    Args:
        threshold: failures without a success between them, 1 to 1,000,000.

    Raises:
        TypeError, ValueError: another threshold.
    """

    threshold: int

    def __post_init__(self) -> None:
        check_count("threshold", self.threshold)

    def __str__(self) -> str:
        return f"{self.threshold} failures in a row"


@dataclass(frozen=True, slots=True)
class FailureRate(Rule):
    """Open when the share of failures among the window's calls reaches ``rate``.

    Args:
        rate: above 0, at most 1; reaching it exactly opens.
        window: what is looked back on, ``CountWindow`` or ``TimeWindow``; default: 10 seconds.
        minimum_calls: calls in the window below which nothing is decided, at least 1, default 20.

    Raises:
        TypeError, ValueError: a value of another type or range; a window of fewer calls than
            ``minimum_calls``, which would never open.
    """

    rate: float
    _: KW_ONLY
    window: Window = _DEFAULT_WINDOW
    minimum_calls: int = 20

    def __post_init__(self) -> None:
        _check(self.rate, self.window, self.minimum_calls)

    def __str__(self) -> str:
        return f"{self.rate:.6g} of the {self.window} failed, {self.minimum_calls} at least"


@dataclass(frozen=True, slots=True)
class SlowCallRate(Rule):
    """Open when the share of slow calls among the window's calls reaches ``rate``.

    Every call has a duration, whatever came of it: one that its caller gave up after
    ``slower_than`` is a slow one too.

    Args:
        rate: above 0, at most 1; reaching it exactly opens.
        slower_than: seconds a call may last without being slow; above 0, at most 86,400.
        window: what is looked back on, ``CountWindow`` or ``TimeWindow``; default: 10 seconds.
        minimum_calls: calls in the window below which nothing is decided, at least 1, default 20.

    Raises:
        TypeError, ValueError: as for ``FailureRate``.
    """

    cause: ClassVar[Cause] = Cause.SLOW_CALLS

    rate: float
    _: KW_ONLY
    slower_than: float
    window: Window = _DEFAULT_WINDOW
    minimum_calls: int = 20

    def __post_init__(self) -> None:
        _check(self.rate, self.window, self.minimum_calls)
        check_seconds("slower_than", self.slower_than)

    def __str__(self) -> str:
        return (
            f"{self.rate:.6g} of the {self.window} took over {self.slower_than:g} s,"
            f" {self.minimum_calls} at least"
        )


def check_rules(field: str, value: object) -> tuple[Rule, ...]:
    """Return the rules in ``value``, one or several.

    Raises:
        TypeError: it is something else.
        ValueError: it is empty.
    """
    listed = (value,) if isinstance(value, Rule) else value
    wanted = f"{field} must be a rule or a list of rules, not {value!r}"
    kinds = ConsecutiveFailures | FailureRate | SlowCallRate
    if not isinstance(listed, list | tuple) or not all(isinstance(one, kinds) for one in listed):
        raise TypeError(wanted)
    if not listed:
        raise ValueError(f"{field} must hold at least one rule")
    return tuple(listed)


def _check(rate: float, window: Window, minimum_calls: int) -> None:
    check_share("rate", rate)
    if not isinstance(window, CountWindow | TimeWindow):
        raise TypeError(f"window must be a CountWindow or a TimeWindow, not {window!r}")
    check_count("minimum_calls", minimum_calls)
    if isinstance(window, CountWindow) and minimum_calls > window.size:
        raise ValueError(
            f"minimum_calls must be at most the window's {window.size} calls, not {minimum_calls!r}"
        )
