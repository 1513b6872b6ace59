"""``@circuit``: guard a function wherever it is called."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from .context import current_request, note_verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from .circuit_object import Circuit
    from .permits import Permit


def decorate(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``fn``, keeping its signature and its sync or async nature."""
    if isinstance(fn, staticmethod | classmethod):
        raise TypeError(f"a circuit decorates functions: write @{type(fn).__name__} above it")
    if not callable(fn):
        raise TypeError(f"a circuit decorates functions, not {fn!r}")
    kinds = _faces(fn)
    if any(inspect.isgeneratorfunction(kind) for kind in kinds) or any(
        inspect.isasyncgenfunction(kind) for kind in kinds
    ):
        raise TypeError(
            f"a circuit cannot decorate the generator function {fn!r}: calling it runs nothing"
            " yet; guard the body with 'with circuit.guard():' instead"
        )
    if any(inspect.iscoroutinefunction(kind) for kind in kinds):
        return _guard_async(circuit, fn)
    return _guard_sync(circuit, fn)


def _faces(fn: Callable[..., Any]) -> tuple[Any, Any]:
    """Give the function below partials, and what runs when an object is called."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn, getattr(type(fn), "__call__", None)  # noqa: B004 - its nature, not whether


def _guard_async(  # noqa: C901 - written out, as that is
    circuit: Circuit, fn: Callable[..., Any]
) -> Callable[..., Any]:
    # The body of Circuit.call once more: calling that would cost a second coroutine per call.
    machine = circuit.machine

    @functools.wraps(fn)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        permit: Permit | None = machine.ticket
        started = None
        if permit is None:
            if machine.barred:
                raise circuit.refuse()
            permit = machine.timed_ticket
            if permit is None:
                permit = circuit.enter()
                if machine.ramp is not None:
                    return await circuit.call_inside(permit, fn, args, kwargs)
            started = circuit.clock() if machine.timed else None
        try:
            result = await (fn(*args, **kwargs) if kwargs else fn(*args))
        except BaseException as error:
            circuit.settle_error(permit, error, fn, started)
            raise
        if machine.attentive:
            if machine.only_watched:
                if current_request() is not None:
                    note_verdict(machine)
            elif machine.swift is not None or machine.config.failure_result is None:
                circuit.settle_success(permit, started)
            else:
                circuit.settle_result(permit, result, started)
        return result

    return guarded


def _guard_sync(circuit: Circuit, fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        return circuit.call_sync(fn, *args, **kwargs)

    return guarded
