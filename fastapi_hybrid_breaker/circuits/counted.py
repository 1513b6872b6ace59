"""Marks on exceptions that a circuit has counted, so that enclosing calls do not count them again.

An exception travels outwards through the calls that enclose the one that failed, and is one
failure to the circuit. One exception object can reach many callers as well, by a pool or a future
that they share, and is a failure of each of them. So a mark names whose call counted it: the task
or thread, and the permits of the calls that enclose it, each by its ``id``.
"""

from __future__ import annotations

import sys
from asyncio import (
    _get_running_loop,  # exported; the public one raises
    current_task,
)
from threading import get_ident
from typing import Final

from .context import innermost_permit

MARKS: Final = "_hybrid_breaker_counted"

_MOST: Final = 100
"""Marks kept on one exception; the oldest go. Those who look for one come soon after it."""

_HERE: Final = object()
"""Stands in each mark, whose numbers mean something in this process only: what was pickled into
another one, as a process pool does, has another object in this place."""

Mark = tuple[object, int, int, tuple[int, ...]]
"""``_HERE``, the circuit, the sequence number with which it counted the error, and whose call it
was: the task or thread, and the permits that enclose it."""


def marks_on(error: BaseException) -> tuple[Mark, ...]:
    """Return the marks on an error; one that hides its attributes has none."""
    try:
        marks: tuple[Mark, ...] = error.__dict__.get(MARKS, ())
    except Exception:  # noqa: BLE001 - a property of a stranger's class
        return ()
    return marks


def is_marked(error: BaseException) -> bool:
    """Whether any circuit has counted an error."""
    try:
        return MARKS in error.__dict__
    except Exception:  # noqa: BLE001 - see marks_on
        return False


def counted_as(error: BaseException, circuit: int, caller: int) -> int:
    """Return the last number with which ``circuit`` counted an error of a caller, or -1."""
    for here, by, sequence, callers in marks_on(error):
        if here is _HERE and by == circuit and caller in callers:
            return sequence
    return -1


def mark_counted(error: BaseException, circuit: int, sequence: int) -> None:
    """Mark ``error``, and all that it groups, as counted by ``circuit`` with number ``sequence``.

    The mark stands on the exception and not in the circuit, which would keep the traceback of
    its last error alive. It is written past ``__setattr__``: exceptions can be frozen classes.
    """
    callers: tuple[int, ...] = (running_in(),)
    permit = innermost_permit()
    while permit is not None:
        if permit.is_running():
            callers = (*callers, id(permit))
        permit = permit.outer
    mark = (_HERE, circuit, sequence, callers)
    left = [error]
    while left:
        one = left.pop()
        try:
            own = one.__dict__
            own[MARKS] = (mark, *own[MARKS][: _MOST - 1]) if MARKS in own else (mark,)
            if isinstance(one, BaseExceptionGroup):
                left.extend(one.exceptions)
        except Exception:  # noqa: BLE001, S110 - a property of a stranger's class
            pass  # without a mark an enclosing call counts the error once more


def running_in() -> int:
    """Return the ``id`` of the running task, or outside of one the number of the thread."""
    loop = _get_running_loop()
    task = _trio_task() if loop is None else current_task(loop)
    return get_ident() if task is None else id(task)


def _trio_task() -> object | None:
    """Return the running task of trio, on which anyio can run an application as well."""
    trio = sys.modules.get("trio")
    try:
        return None if trio is None else trio.lowlevel.current_task()
    except (RuntimeError, AttributeError):  # not in trio, or still being imported
        return None
