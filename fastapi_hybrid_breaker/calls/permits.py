"""What the parts of a guarded call hand to each other."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Final, TypeVar

from fastapi_hybrid_breaker.core.errors import MisuseError
from fastapi_hybrid_breaker.core.probe import Probe, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

UNKNOWN: Final = object()
"""Stands for a callable that is not known, and for a result that is not there."""


class Borrowed:
    """The right to run inside a probe that another guard of the same circuit holds.

    Its verdict is the probe's; without a verdict the probe stays with its holder.
    """

    __slots__ = ("probe",)

    def __init__(self, probe: Probe) -> None:
        self.probe = probe


Permit = Ticket | Borrowed
"""The right to run one guarded call, to be given back to ``Circuit.settle`` exactly once."""


def refuse_coroutine(result: T, fn: Callable[..., object]) -> T:
    """Give ``result`` back, unless it is a coroutine that nobody would await under the guard."""
    if isinstance(result, CoroutineType):
        result.close()  # or Python warns that it was never awaited
        raise MisuseError(f"call_sync() cannot guard {_name(fn)}, which is async: await call()")
    return result


def find_misuse(fn: object, error: TypeError) -> MisuseError | None:
    """Tell a TypeError of the way in which ``fn`` was given from one that ``fn`` raised.

    To keep what ``fn`` gave, so as to look at it here, would cost each call more than all that
    is looked at for it.
    """
    if not callable(fn):
        if isinstance(fn, CoroutineType):
            fn.close()  # or Python warns that it was never awaited
        return MisuseError(f"a circuit needs the callable, not what it gave: call(fn), not {fn!r}")
    # Raised by the statement that awaits what fn gives, and not further in.
    is_here = error.__traceback__ is None or error.__traceback__.tb_next is None
    if is_here and _says_that_nothing_can_be_awaited(error):
        return MisuseError(f"call() needs an async callable, {_name(fn)} is none: use call_sync()")
    return None


def _says_that_nothing_can_be_awaited(error: TypeError) -> bool:
    text = error.args[0] if len(error.args) == 1 else None
    before, after = _CANNOT_BE_AWAITED
    return isinstance(text, str) and text.startswith(before) and text.endswith(after)


def _learn_what_awaiting_says() -> tuple[str, str]:
    """Give this Python's words, around a type's name, for awaiting what cannot be awaited."""

    async def wrong() -> None:
        await None  # type: ignore[misc]

    try:
        wrong().send(None)
    except TypeError as error:
        before, _, after = str(error).partition(type(None).__name__)
        return before, after
    raise AssertionError("None can be awaited")  # pragma: no cover


_CANNOT_BE_AWAITED: Final = _learn_what_awaiting_says()


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)
