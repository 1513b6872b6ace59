"""Have functions that give coroutines taken for what they are: functions to be awaited."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def gives_coroutine(fn: F) -> F:
    """Mark ``fn`` as if it were written with ``async def``.

    Background tasks and mocks ask before they await: what they take for a plain function they
    call in a thread, and nobody runs the coroutine that it gives.
    """
    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        mark(fn)
    else:  # Python 3.11, where asyncio's is the only mark there is
        fn._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001
    return fn
