"""What can be guarded, and what cannot: calling some callables runs nothing yet."""

from __future__ import annotations

import contextlib
import functools
import inspect
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CALLING: Final = frozenset({f"{__package__}.circuit", f"{__package__}.decorator"})
"""The modules in which guarded callables are called."""

UNKNOWN: Final = object()
"""Stands for what is called in a block, which its circuit does not know."""

_UNSTARTED: Final = frozenset(
    {
        GeneratorType,
        AsyncGeneratorType,
        contextlib._GeneratorContextManager,  # noqa: SLF001 - what @contextmanager makes
        contextlib._AsyncGeneratorContextManager,  # noqa: SLF001
    }
)
"""What calling a generator function, or one with ``@contextmanager``, returns."""

_OF_FUTURES: Final = "add_done_callback"
"""Futures of all kinds have this method: of pools, of other libraries, and what inherits them."""


def refuse_async(result: object, fn: object) -> None:
    """Raise where a sync call returned something to await: nobody would await it under the guard.

    Raises:
        TypeError: it did.
    """
    if hasattr(type(result), "__await__"):
        if isinstance(result, CoroutineType):
            result.close()  # or Python warns that it was never awaited
        raise TypeError(
            f"call_sync() cannot guard {name_of(fn)}, which is async: await call() or execute()"
        )


def refuse_unstarted(result: object, fn: object) -> None:
    """Raise where calling ``fn`` has run nothing of it yet.

    Raises:
        TypeError: it is a generator function, one with ``@contextmanager``, or hands the work to
            a pool.
    """
    kind: Any = type(result)
    if kind in _UNSTARTED and is_generator(fn):
        raise TypeError(_of_generator(fn))
    if _is_future(kind):
        raise TypeError(
            f"a circuit cannot guard {name_of(fn)}, which returns a future before anything has"
            " run: guard what is submitted: pool.submit(circuit.call_sync, fn)"
        )


@functools.lru_cache(maxsize=256)  # asked with each result: looking for what is not there is slow
def _is_future(kind: type) -> bool:
    return hasattr(kind, _OF_FUTURES) and not hasattr(kind, "__await__")


def check_decorated(fn: object) -> None:
    """Raise unless a circuit can decorate ``fn``.

    Raises:
        TypeError: it is not callable, a static or class method, or a generator function.
    """
    if isinstance(fn, staticmethod | classmethod):
        raise TypeError(f"a circuit decorates functions: write @{type(fn).__name__} above it")
    if not callable(fn):
        if isinstance(fn, CoroutineType):
            fn.close()  # or Python warns that it was never awaited
        raise TypeError(f"a circuit decorates functions, not {fn!r}")
    if is_generator(fn):
        raise TypeError(_of_generator(fn))


def is_async(fn: object) -> bool:
    """Whether calling ``fn`` returns a coroutine, also where it is an object or a partial."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(_call_of(fn))


def is_generator(fn: object) -> bool:
    """Whether calling ``fn`` runs nothing yet, also where decorators or partials wrap it."""
    for layer in _layers(fn):
        if inspect.iscoroutinefunction(layer):
            return False  # it runs what it wraps
        if inspect.isgeneratorfunction(layer) or inspect.isasyncgenfunction(layer):
            return True
    return False


def explain_misuse(error: TypeError, fn: object) -> bool:
    """Whether ``error`` comes from how ``fn`` was given to a circuit; if so, add what to write.

    Such an error was raised where guarded callables are called, and by nothing that they called
    (but by a function written in C, whose frames cannot be seen).
    """
    traceback = error.__traceback__
    if traceback is None or error.__cause__ is not None:  # the latter: from another process
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__")
    if module in _CALLING and fn is not UNKNOWN:
        error.add_note(
            f"not counted: {name_of(fn)} could not be called like this. call(fn, *args) takes an"
            " async callable and its arguments, call_sync(fn, *args) a sync one."
        )
        if isinstance(fn, CoroutineType):
            fn.close()  # or Python warns that it was never awaited
    return module in _CALLING or module == __name__


def refused(fn: object) -> TypeError:
    """Return the error for what a callable returned, given in its place."""
    if isinstance(fn, CoroutineType):
        fn.close()  # or Python warns that it was never awaited
    return TypeError(f"a circuit needs the callable, not what it returned: call(fn), not {fn!r}")


def name_of(fn: object) -> str:
    """Return the name of a callable for messages."""
    return getattr(fn, "__qualname__", None) or repr(fn)


def _of_generator(fn: object) -> str:
    return (
        f"a circuit cannot guard the generator function {name_of(fn)}: calling it runs nothing"
        " yet; guard the body with 'with circuit.guard():' instead"
    )


def _layers(fn: Any) -> Iterator[Any]:
    """Iterate over what runs when ``fn`` is called: the outermost first."""
    seen: set[int] = set()
    while fn is not None and id(fn) not in seen:
        seen.add(id(fn))
        while isinstance(fn, functools.partial):
            fn = fn.func
        yield fn
        yield _call_of(fn)
        fn = getattr(fn, "__wrapped__", None)


def _call_of(fn: object) -> Callable[..., Any] | None:
    return getattr(type(fn), "__call__", None)  # noqa: B004 - its nature, not whether
