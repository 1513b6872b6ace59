"""What an exception or a returned value says of the upstream: success, failure, not counted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .errors import CircuitOpenError, MisuseError, WrongContextError
from .states import FAILURE, NO_VERDICT, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import CircuitConfig
    from .states import Outcome

_OUR_OWN = (CircuitOpenError, MisuseError, WrongContextError)
_MARK = "_hybrid_breaker_counted"


def without(
    error: BaseException, is_silent: Callable[[BaseException], bool]
) -> BaseException | None:
    """Give what remains of ``error`` without the silent ones in it; None: nothing.

    A group all of which remains comes back as itself: its class may mean something. No method
    of a group is called, for those may be a stranger's.
    """
    if not isinstance(error, BaseExceptionGroup):
        return None if is_silent(error) else error
    leaves: list[BaseException] = []
    left: list[BaseException] = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseExceptionGroup):
            left.extend(one.exceptions)
        else:
            leaves.append(one)
    told = [one for one in leaves if not is_silent(one)]
    if len(told) == len(leaves):
        return error
    return BaseExceptionGroup("what is left of a group", told) if told else None


class PredicateError(Exception):
    """A function of the user's that was to judge a call has raised; that is the cause."""


class _Counts(dict[int, int]):
    """By circuit, the sequence number with which it counted an error.

    The numbers mean something in this process only. An error that was pickled into another one,
    as a process pool does, arrives there uncounted, and as a plain dict: this package need not
    be there.
    """

    def __reduce__(self) -> tuple[type[dict[int, int]], tuple[()]]:
        return dict, ()


def judge(config: CircuitConfig, error: BaseException, *, circuit: int, admitted: int) -> Outcome:
    """Return what ``error`` means for a call that ``circuit`` admitted after failure ``admitted``.

    A rejection by any circuit (and any error of this library's own), an ignored exception and
    whatever is no ``Exception`` (cancellation, GeneratorExit, KeyboardInterrupt) are not counted;
    nor is an error that this circuit has counted since the call was admitted, as a nested
    call's error that travels outwards. A group is a failure when at least one error within it is,
    and else a success when one is.

    Raises:
        PredicateError: ``failure_exceptions``, ``success_exceptions`` or ``ignored_exceptions``
            is a function that raised.
    """
    outcome = NO_VERDICT
    has_counted = False
    # Without recursion: nobody says how deep groups are nested.
    left = [error]
    while left:
        one = left.pop()
        if isinstance(one, _OUR_OWN) or _is_among("ignored_exceptions", config, one):
            continue
        if isinstance(one, BaseExceptionGroup) and not _is_named_group(config, one):
            left.extend(one.exceptions)
        elif not isinstance(one, Exception):
            continue
        elif _is_among("success_exceptions", config, one):
            outcome = SUCCESS
        elif not _is_among("failure_exceptions", config, one):
            continue
        # The number matters: an exception object raised again by a later call is a new failure.
        elif _counts_on(one).get(circuit, -1) <= admitted:
            return FAILURE
        else:
            has_counted = True
    return NO_VERDICT if has_counted else outcome


def _is_named_group(config: CircuitConfig, group: BaseExceptionGroup[BaseException]) -> bool:
    """Whether a class of groups is named itself, as failure or success, not merely a base of it."""
    return any(
        issubclass(kind, BaseExceptionGroup) and isinstance(group, kind)
        for named in (config.failure_exceptions, config.success_exceptions)
        if isinstance(named, tuple)
        for kind in named
    )


def _counts_on(error: BaseException) -> dict[int, int]:
    """Give the note on an error; one that hides its attributes has none."""
    try:
        counts = error.__dict__.get(_MARK)
    except Exception:  # noqa: BLE001 - a property of a stranger's class
        return {}
    return counts if isinstance(counts, dict) else {}


def judge_result(config: CircuitConfig, result: object) -> Outcome:
    """Say what a returned value means.

    Raises:
        PredicateError: ``failure_result`` raised.
    """
    if config.failure_result is None:
        return SUCCESS
    try:
        is_failure = bool(config.failure_result(result))
    except Exception as fault:
        raise PredicateError("failure_result") from fault
    return FAILURE if is_failure else SUCCESS


def _is_among(field: str, config: CircuitConfig, error: BaseException) -> bool:
    """Ask the types or the function in ``field`` about an error."""
    asked = getattr(config, field)
    if isinstance(asked, tuple):
        return isinstance(error, asked)
    try:
        return bool(asked(error))
    except Exception as fault:
        raise PredicateError(field) from fault


def mark_counted(error: BaseException, *, circuit: int, sequence: int) -> None:
    """Note on ``error``, and on all it groups, that ``circuit`` counted it as ``sequence``.

    The note stands on the exception and not in the circuit, which would keep the traceback of
    its last error alive. It is written past ``__setattr__``: exceptions can be frozen classes.
    """
    left = [error]
    while left:
        one = left.pop()
        counts = _counts_on(one)
        if not isinstance(counts, _Counts):
            counts = _Counts()
            with contextlib.suppress(Exception):  # see _counts_on
                one.__dict__[_MARK] = counts
        counts[circuit] = sequence
        if isinstance(one, BaseExceptionGroup):
            left.extend(one.exceptions)
