"""``@circuit``: guard a function wherever it is called."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .callables import check_decorated, is_async

if TYPE_CHECKING:
    from collections.abc import Callable

    from .circuit_object import Circuit


def decorate(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``fn``, keeping its signature and its sync or async nature.

    Raises:
        TypeError: ``fn`` is not a function, or one that runs nothing when it is called.
    """
    check_decorated(fn)
    if is_async(fn):

        @functools.wraps(fn)
        async def guarded(*args: Any, **kwargs: Any) -> Any:
            return await circuit.call(fn, *args, **kwargs)

        return guarded

    @functools.wraps(fn)
    def guarded_sync(*args: Any, **kwargs: Any) -> Any:
        return circuit.call_sync(fn, *args, **kwargs)

    return guarded_sync
