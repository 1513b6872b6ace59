"""What the parts of a guarded call hand to each other."""

from __future__ import annotations

import contextlib
import inspect
from types import CoroutineType
from typing import TYPE_CHECKING, Final, TypeVar

from fastapi_hybrid_breaker.core.errors import MisuseError
from fastapi_hybrid_breaker.core.probe import Probe, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

NOT_CALLED: Final = object()
"""Stands for what a callable returned as long as it has not, and for a callable not known."""


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


def find_misuse(fn: object, awaited: object) -> MisuseError | None:
    """Tell a TypeError of the way in which ``fn`` was given from one that ``fn`` raised.

    ``awaited`` is what ``fn`` returned, where that was to be awaited.
    """
    if awaited is NOT_CALLED:
        if callable(fn):
            return None
        if isinstance(fn, CoroutineType):
            fn.close()  # or Python warns that it was never awaited
        return MisuseError(f"a circuit needs the callable, not what it gave: call(fn), not {fn!r}")
    with contextlib.suppress(Exception):  # of a proxy that stands for nothing at the moment
        if inspect.isawaitable(awaited):
            return None
    return MisuseError(f"call() needs an async callable, {_name(fn)} is none: use call_sync()")


def _name(fn: object) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)
