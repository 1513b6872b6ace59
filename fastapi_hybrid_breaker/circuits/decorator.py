"""``@circuit``: guard a function wherever it is called."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .admission import begin, rejection
from .callables import check_decorated, is_async
from .settling import settle_error, settle_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from .circuit import Circuit
    from .permits import Permit


def decorate(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``fn``, keeping its signature and its sync or async nature.

    Raises:
        TypeError: ``fn`` is not a function, or one that runs nothing when it is called.
    """
    check_decorated(fn)
    if is_async(fn):
        return _guard_async(circuit, fn)

    @functools.wraps(fn)
    def guarded_sync(*args: Any, **kwargs: Any) -> Any:
        return circuit.call_sync(fn, *args, **kwargs)

    return guarded_sync


def _guard_async(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    core = circuit._core

    @functools.wraps(fn)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        # As ``Circuit.call``: awaiting that would be a second coroutine for each call.
        permit: Permit | None = core.free_permit
        if permit is None:
            now = circuit._clock()
            if (wait := core.reject_until - now) > 0.0:
                raise rejection(circuit, wait, fn)
            permit = begin(circuit, now, fn)
        try:
            result = await fn(*args, **kwargs)
        except BaseException as error:
            settle_error(circuit, permit, error, fn)
            raise
        if core.counts_successes or circuit._guarded_by_route:
            settle_result(circuit, permit, result)
        return result

    return guarded
