"""Which exceptions are a rejection by a circuit, or another exception raised in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import CircuitOpenError

if TYPE_CHECKING:
    from types import FrameType


def rejection_in(error: BaseException) -> CircuitOpenError | None:
    """Return the rejection that ``error`` is, or was raised in place of; None: it is another error.

    An exception stands for a rejection where it was raised ``from`` one, and where the very
    function that caught a rejection raised it: ``except CircuitOpenError: raise ServiceError()``.
    What a fallback raises further down is a failure of the fallback, though its ``__context__`` is
    the rejection as well. A group stands for a rejection where all that is in it does.
    """
    found: CircuitOpenError | None = None
    left, seen = [error], {id(error)}  # a chain can be a circle
    while left:
        one = left.pop()
        if isinstance(one, CircuitOpenError):
            found = one
            continue
        raised_for = _caught_where_raised(one) if one.__cause__ is None else one.__cause__
        if raised_for is not None:
            following = [raised_for]
        elif isinstance(one, BaseExceptionGroup):
            following = [*one.exceptions]
        else:
            return None
        for more in following:
            if id(more) not in seen:
                seen.add(id(more))
                left.append(more)
    return found


def rejection_by(key: str, error: BaseException) -> CircuitOpenError | None:
    """Return a rejection by the circuit ``key`` that is anywhere in what led to ``error``.

    Also in a group, and where what was raised in its place is an error of its own.
    """
    left, seen = [error], {id(error)}
    while left:
        one = left.pop()
        if isinstance(one, CircuitOpenError) and one.key == key:
            return one
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        for more in (*members, one.__context__, one.__cause__):
            if more is not None and id(more) not in seen:
                seen.add(id(more))
                left.append(more)
    return None


def _caught_where_raised(error: BaseException) -> BaseException | None:
    """Return the exception in whose handler ``error`` was raised, by the one who caught it."""
    context = error.__context__
    if context is None or context.__traceback__ is None:
        return None
    # A traceback begins where the exception was caught, and ends where it was raised.
    return context if _raised_in(error) is context.__traceback__.tb_frame else None


def _raised_in(error: BaseException) -> FrameType | None:
    traceback = error.__traceback__
    if traceback is None:
        return None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame
