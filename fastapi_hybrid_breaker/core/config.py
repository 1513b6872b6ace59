"""What can be set on a circuit, checked when it is set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DAY = 86_400.0
"""Seconds; no open time or deadline is longer (a longer one is an operator's business)."""

_MOST_CALLS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitConfig:
    """How one circuit decides. Frozen; a bad value is refused with the field, range and value.

    Args:
        failure_threshold: failures in a row that open the circuit; 1 to 1,000,000, default 5.
        success_threshold: successful probes that close it; 1 to 1,000,000, default 2.
        recovery_timeout: seconds it stays OPEN; above 0, at most 86,400 (a day), default 60.
        half_open_max_calls: probes that run at once while HALF_OPEN; 1 to 1,000,000;
            default None: as many as ``success_threshold``.
        half_open_timeout: seconds after which a probe that has not reported gives its place
            back; above 0, at most 86,400; default None: ``recovery_timeout``.
        failure_exceptions: exception classes that count as failures, default ``(Exception,)``.
            Other exceptions give no verdict. Cancellation never counts.
        ignored_exceptions: exception classes that give no verdict, default none; they win over
            ``failure_exceptions``.
        failure_statuses: HTTP statuses (100 to 599) that count as failures, for routes and
            transports alike; default None: 500 and above, for transports 429 as well.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a value outside its range.
    """

    failure_threshold: int = 5
    success_threshold: int = 2
    recovery_timeout: float = 60.0
    half_open_max_calls: int | None = None
    half_open_timeout: float | None = None
    failure_exceptions: tuple[type[Exception], ...] = (Exception,)
    ignored_exceptions: tuple[type[BaseException], ...] = ()
    failure_statuses: frozenset[int] | None = None

    def __post_init__(self) -> None:
        check_count("failure_threshold", self.failure_threshold)
        check_count("success_threshold", self.success_threshold)
        check_seconds("recovery_timeout", self.recovery_timeout)
        if self.half_open_max_calls is not None:
            check_count("half_open_max_calls", self.half_open_max_calls)
        if self.half_open_timeout is not None:
            check_seconds("half_open_timeout", self.half_open_timeout)
        # The one place where a frozen value is written: a list or a single class given by the
        # caller becomes the tuple that the field promises.
        for field, base in (
            ("failure_exceptions", Exception),
            ("ignored_exceptions", BaseException),
        ):
            object.__setattr__(self, field, _exception_types(field, getattr(self, field), base))
        if self.failure_statuses is not None:
            object.__setattr__(self, "failure_statuses", _statuses(self.failure_statuses))

    @property
    def probe_places(self) -> int:
        """How many probes run at once: ``half_open_max_calls`` or its default."""
        return self.half_open_max_calls or self.success_threshold

    @property
    def probe_timeout(self) -> float:
        """Seconds a probe may keep its place: ``half_open_timeout`` or its default."""
        return self.half_open_timeout or self.recovery_timeout

    def is_failing(self, status: int, *, also: frozenset[int] = frozenset()) -> bool:
        """Tell whether an HTTP status is a failure; ``also`` adds to the default statuses."""
        if self.failure_statuses is not None:
            return status in self.failure_statuses
        return status >= 500 or status in also


def check_count(field: str, value: object, most: int = _MOST_CALLS) -> None:
    """Raise unless ``value`` is a whole number from 1 to ``most`` (a bool is none)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} must be a whole number from 1 to {most}, not {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"{field} must be a whole number from 1 to {most}, not {value!r}")


def check_seconds(field: str, value: object) -> None:
    """Raise unless ``value`` is a number of seconds above 0 and at most a day."""
    wanted = f"{field} must be a number of seconds above 0 and at most {DAY:.0f}, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(wanted)
    if not 0 < value <= DAY:  # nor is NaN: it compares with nothing
        raise ValueError(wanted)


def _exception_types(
    field: str, value: object, base: type[BaseException]
) -> tuple[type[BaseException], ...]:
    listed = (value,) if isinstance(value, type) else value
    wanted = f"{field} must be subclasses of {base.__name__}, not {value!r}"
    if isinstance(listed, str) or not isinstance(listed, Iterable):
        raise TypeError(wanted)
    types = tuple(listed)
    if not all(isinstance(one, type) and issubclass(one, base) for one in types):
        raise TypeError(wanted)
    return types


def _statuses(value: object) -> frozenset[int]:
    wanted = f"failure_statuses must be HTTP statuses from 100 to 599, not {value!r}"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(wanted)
    statuses = list(value)
    if any(isinstance(one, bool) or not isinstance(one, int) for one in statuses):
        raise TypeError(wanted)
    if not all(100 <= one <= 599 for one in statuses):
        raise ValueError(wanted)
    return frozenset(statuses)
