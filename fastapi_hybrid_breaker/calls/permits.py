"""What the parts of a guarded call hand to each other."""

from __future__ import annotations

import dis
from types import CoroutineType
from typing import TYPE_CHECKING, Final, TypeVar

from fastapi_hybrid_breaker.core.errors import MisuseError
from fastapi_hybrid_breaker.core.probe import Probe, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

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
    if _is_of_await(error.__traceback__):
        return MisuseError(f"call() needs an async callable, {_name(fn)} is none: use call_sync()")
    return None


def _is_of_await(traceback: TracebackType | None) -> bool:
    """Tell whether the code that the traceback begins with had nothing that it could await.

    Neither the text of the error nor that no other code is in the traceback would tell: an error
    that comes from another process has no traceback of its own.
    """
    if traceback is None or traceback.tb_next is not None:
        return False
    return traceback.tb_frame.f_code.co_code[traceback.tb_lasti] == _GET_AWAITABLE


_GET_AWAITABLE: Final = dis.opmap.get("GET_AWAITABLE", -1)
"""The instruction with which ``await`` asks for what it is to wait for; -1 is none."""


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)
