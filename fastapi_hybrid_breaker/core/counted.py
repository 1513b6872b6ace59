"""Marks on exceptions that a circuit has counted, so that enclosing calls do not count them again.

An exception travels outwards through the calls that enclose the one that failed, and is one
failure to the circuit. One exception object can reach many callers as well, by a pool or a future
that they share, and is a failure of each of them. So a mark names whose call counted it: the task
or thread, and the permits of the calls that enclose it, each by its ``id``.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARK = "_hybrid_breaker_counted"

_MOST_MARKS = 200
"""Marks kept for one circuit on one exception; the oldest go. Those who look for one come soon."""


class _Marks(dict[int, dict[int, int]]):
    """By circuit and by whose call it was, the sequence number with which the error was counted.

    The numbers mean something in this process only. An error that was pickled into another one,
    as a process pool does, arrives there unmarked, and with a plain dict: this package need not
    be there.
    """

    def __reduce__(self) -> tuple[type[dict[int, int]], tuple[()]]:
        return dict, ()


def marks_on(error: BaseException, circuit: int) -> dict[int, int]:
    """Return by whom ``circuit`` has counted an error; nothing where it hides its attributes."""
    try:
        marks = error.__dict__.get(_MARK)
    except Exception:  # noqa: BLE001 - a property of a stranger's class
        return {}
    return marks.get(circuit, {}) if isinstance(marks, _Marks) else {}


def mark_counted(
    error: BaseException, *, circuit: int, sequence: int, callers: Iterable[int]
) -> None:
    """Mark ``error``, and all that it groups, as counted by ``circuit`` with number ``sequence``.

    The mark stands on the exception and not in the circuit, which would keep the traceback of
    its last error alive. It is written past ``__setattr__``: exceptions can be frozen classes.
    """
    left = [error]
    while left:
        one = left.pop()
        if isinstance(one, BaseExceptionGroup):
            left.extend(one.exceptions)
        with contextlib.suppress(Exception):  # see marks_on
            marks = one.__dict__.get(_MARK)
            if not isinstance(marks, _Marks):
                marks = one.__dict__[_MARK] = _Marks()
            by_caller = marks.setdefault(circuit, {})
            for caller in callers:
                by_caller.pop(caller, None)  # so that the order is that of the marks
                by_caller[caller] = sequence
            while len(by_caller) > _MOST_MARKS:
                del by_caller[next(iter(by_caller))]
