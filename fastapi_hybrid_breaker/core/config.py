"""What can be set on a circuit, checked when it is set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Literal, TypeAlias, get_args

from .backoff import Backoff
from .checks import check_count, check_seconds, check_share
from .error_text import DescribeError  # noqa: TC001 - read at run time with the annotations
from .old_names import accept_old_name
from .quorum import Quorum, check_quorum
from .rules import ConsecutiveFailures, Rule, check_rules

Mode = Literal["enforce", "shadow"]
"""Whether a circuit that is open rejects, or only says that it would have."""

Scope = Literal["fleet", "instance"]
"""Whom a circuit's state binds: all instances, or only the one that decided."""

ExceptionPredicate: TypeAlias = Callable[[Exception], bool]
IgnorePredicate: TypeAlias = Callable[[BaseException], bool]

DEFAULT_THRESHOLD = 5

_MOST_REMEMBERED = 10_000


@accept_old_name("half_open_maximum", "half_open_max_duration")
@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitConfig:
    """How one circuit decides. Frozen; a bad value is refused with the field, range and value.

    Args:
        failure_threshold: consecutive failures that open the circuit; 1 to 1,000,000. Those of
            over an hour ago do not count any more. The short
            form of ``trip=ConsecutiveFailures(n)``; default None: 5, unless ``trip`` is given.
        trip: the rule that opens the circuit, or a list of rules any of which does; default
            None: ``failure_threshold``. Giving both is an error.
        success_threshold: successful probes that close it; 1 to 1,000,000, default 2.
        recovery_timeout: seconds it stays OPEN; above 0, at most 86,400 (a day), default 60.
        backoff: longer times where it opens again and again; default None: always the same.
        retry_after_limits: the least and most seconds that a ``Retry-After`` of a 429 or 503 is
            taken for; each above 0, at most 86,400; default (1, 300). None: the header is not
            read. The circuit stays OPEN for the longest one since the last success (for a rate:
            within its window; for a failed probe: its own) or for its own time with back-off,
            whichever is longer.
        half_open_max_calls: probes that run at once while HALF_OPEN; 1 to 1,000,000;
            default None: as many as ``success_threshold``.
        half_open_timeout: seconds after which a probe that has not reported gives its place
            back; above 0, at most 86,400; default None: ``recovery_timeout``.
        half_open_max_duration: seconds after which a circuit still HALF_OPEN is opened by the next
            call; above 0, at most 86,400; default None: never. Where nobody has called for some
            seconds the next call is a probe all the same. Not for a circuit with fewer calls in
            that time than ``success_threshold``.
        ramp_seconds: seconds in which only a growing share of the calls is admitted after a
            recovery, after a forced opening, and after a reset that asks for it; above 0, at most
            86,400; default None: all at once.
        ramp_shares: the shares, each above 0, at most 1, none below the one before it, each
            for an equal part of ``ramp_seconds``; default (0.1, 0.25, 0.5, 1.0).
        mode: ``"enforce"``, the default, or ``"shadow"``: decides and counts, rejects nothing,
            and publishes nothing.
        scope: ``"fleet"``, the default: what one instance decides binds all. ``"instance"``:
            each decides for itself, and the others only see it; resets and overrides are for all.
        quorum: how many instances must see the trouble before the circuit opens for all: a
            count from 1 to 1,000,000 (of fewer instances that live, all), or a share of those
            that live, above 0 and below 1; default 1. Until then the circuit is open only
            where the trouble is seen.
        failure_exceptions: exception classes that count as failures, or a function that says
            it of an exception; default ``(Exception,)``. Other exceptions are not counted.
            Cancellation never counts.
        success_exceptions: exception classes that count as successes, or a function that says
            it of an exception; default none. For what a client raises although the upstream is
            well, such as its NotFound. They win over ``failure_exceptions``.
        ignored_exceptions: exception classes that are not counted, or a function that says it
            of an exception; default none. They win over both. A class that would never count,
            since the field that wins names it or a base of it, is refused.
        failure_result: a function that says whether a returned value is a failure, for
            ``call``, ``call_sync``, ``execute`` and decorated functions; default None: none is.
        failure_statuses: HTTP statuses (100 to 599) that count as failures, for routes and
            transports alike; default None: 500 and above, for transports 429 as well.
        history_size: changes of state that are remembered; 1 to 10,000, default 50.
        describe_error: what is kept of the exception that opens the circuit, to stand in the log,
            in Redis, in the history and on the pages of every process. ``"text"``, the default:
            its type, and its text without what is known to quote input or hold secrets (userinfo
            and query values of URLs, passwords in data source names, input of models).
            ``"type"``: its type alone. Or a function that takes the exception and returns a text,
            of which 200 characters are kept, on one line; where it raises or returns anything
            else, the type.

    Where a function raises, the call is not counted; it is logged, once a minute at most for
    each function of a circuit.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a value outside its range.
    """

    failure_threshold: int | None = field(default=None, compare=False)
    trip: Rule | Iterable[Rule] | None = field(default=None, compare=False)
    success_threshold: int = 2
    recovery_timeout: float = 60.0
    backoff: Backoff | None = None
    retry_after_limits: tuple[float, float] | None = (1.0, 300.0)
    half_open_max_calls: int | None = None
    half_open_timeout: float | None = None
    half_open_max_duration: float | None = None
    ramp_seconds: float | None = None
    ramp_shares: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    mode: Mode = "enforce"
    scope: Scope = "fleet"
    quorum: Quorum = 1
    failure_exceptions: tuple[type[Exception], ...] | ExceptionPredicate = (Exception,)
    success_exceptions: tuple[type[Exception], ...] | ExceptionPredicate = ()
    ignored_exceptions: tuple[type[BaseException], ...] | IgnorePredicate = ()
    failure_result: Callable[[Any], bool] | None = None
    failure_statuses: frozenset[int] | None = None
    history_size: int = 50
    describe_error: DescribeError = "text"
    rules: tuple[Rule, ...] = field(init=False, repr=False)
    """What opens the circuit, however it was given; configurations are compared by it."""
    probe_places: int = field(init=False, repr=False, compare=False)
    """How many probes run at once: ``half_open_max_calls`` or its default."""
    probe_timeout: float = field(init=False, repr=False, compare=False)
    """Seconds a probe may keep its place: ``half_open_timeout`` or its default."""

    def __post_init__(self) -> None:
        self._check_trip()
        check_count("success_threshold", self.success_threshold)
        check_seconds("recovery_timeout", self.recovery_timeout)
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise TypeError(f"backoff must be a Backoff or None, not {self.backoff!r}")
        self._check_half_open()
        for name, one_of in (("mode", Mode), ("scope", Scope)):
            if getattr(self, name) not in get_args(one_of):
                wanted = " or ".join(map(repr, get_args(one_of)))
                raise ValueError(f"{name} must be {wanted}, not {getattr(self, name)!r}")
        check_quorum(self.quorum)
        if self.failure_result is not None and not callable(self.failure_result):
            raise TypeError(f"failure_result must be a function, not {self.failure_result!r}")
        check_count("history_size", self.history_size, _MOST_REMEMBERED)
        _check_describe_error(self.describe_error)
        self._put("ramp_shares", _shares(self.ramp_shares))
        if self.retry_after_limits is not None:
            self._put("retry_after_limits", _limits(self.retry_after_limits))
        for name, base in (
            ("failure_exceptions", Exception),
            ("success_exceptions", Exception),
            ("ignored_exceptions", BaseException),
        ):
            self._put(name, _exceptions(name, getattr(self, name), base))
        self._check_precedence("success_exceptions", "ignored_exceptions")
        self._check_precedence("failure_exceptions", "success_exceptions")
        if self.failure_statuses is not None:
            self._put("failure_statuses", _statuses(self.failure_statuses))

    def _check_half_open(self) -> None:
        if self.half_open_max_calls is not None:
            check_count("half_open_max_calls", self.half_open_max_calls)
        for name in ("half_open_timeout", "half_open_max_duration", "ramp_seconds"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name))
        self._put("probe_places", self.half_open_max_calls or self.success_threshold)
        self._put("probe_timeout", self.half_open_timeout or self.recovery_timeout)

    def _check_trip(self) -> None:
        if self.failure_threshold is not None:
            if self.trip is not None:
                raise ValueError(
                    "failure_threshold is the short form of trip=ConsecutiveFailures(...):"
                    f" give one of them, not {self.failure_threshold!r} and {self.trip!r}"
                )
            check_count("failure_threshold", self.failure_threshold)
        if self.trip is None:
            run = ConsecutiveFailures(self.failure_threshold or DEFAULT_THRESHOLD)
            self._put("rules", (run,))
        else:
            rules = check_rules("trip", self.trip)
            self._put("trip", rules)
            self._put("rules", rules)

    def _check_precedence(self, name: str, winner: str) -> None:
        named, wins = getattr(self, name), getattr(self, winner)
        if not isinstance(named, tuple) or not isinstance(wins, tuple):
            return
        void = [kind.__name__ for kind in named if issubclass(kind, wins)]
        if void:
            raise ValueError(
                f"{name} must not name {void[0]}: {winner} has it or a base of it, and wins, so"
                " that it would never count"
            )

    def _put(self, name: str, value: object) -> None:
        """Write to a field of a frozen object: a list becomes the tuple that the field promises."""
        object.__setattr__(self, name, value)

    def is_failing(self, status: int, *, also: frozenset[int] = frozenset()) -> bool:
        """Return whether an HTTP status is a failure; ``also`` adds to the default statuses."""
        if self.failure_statuses is not None:
            return status in self.failure_statuses
        return status >= 500 or status in also


def _check_describe_error(value: object) -> None:
    wanted = f"describe_error must be 'type', 'text' or a function (no async one), not {value!r}"
    if isinstance(value, str):
        if value not in {"type", "text"}:
            raise ValueError(wanted)
    elif (
        not callable(value)
        or isinstance(value, type)
        or iscoroutinefunction(value)
        or iscoroutinefunction(type(value).__call__)
    ):
        raise TypeError(wanted)


def _exceptions(name: str, value: object, base: type[BaseException]) -> object:
    if callable(value) and not isinstance(value, type):
        return value
    listed = (value,) if isinstance(value, type) else value
    wanted = f"{name} must be subclasses of {base.__name__} or a function, not {value!r}"
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


def _shares(value: object) -> tuple[float, ...]:
    wanted = f"ramp_shares must be numbers above 0 and at most 1, never falling, not {value!r}"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(wanted)
    shares = tuple(value)
    for share in shares:
        check_share("each of ramp_shares", share)
    if not shares or list(shares) != sorted(shares):
        raise ValueError(wanted)
    return shares


def _limits(value: object) -> tuple[float, float]:
    wanted = f"retry_after_limits must be two numbers of seconds, least and most, not {value!r}"
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(wanted)
    limits = tuple(value)
    if len(limits) != 2:
        raise ValueError(wanted)
    for limit in limits:
        check_seconds("each of retry_after_limits", limit)
    least, most = limits
    if least > most:
        raise ValueError(wanted)
    return least, most
