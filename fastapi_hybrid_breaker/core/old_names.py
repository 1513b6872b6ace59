"""Arguments that were renamed: the old name still works, with a warning."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def accept_old_name(old: str, new: str) -> Callable[[type[T]], type[T]]:
    """Make a class take the argument ``new`` by the name ``old`` as well, and be read by it.

    Either use warns with a DeprecationWarning.

    Raises:
        TypeError: (when an object is made) both names are given.
    """

    def decorate(kind: type[T]) -> type[T]:
        made_by: Any = kind.__init__

        @functools.wraps(made_by)
        def init(self: T, /, **given: Any) -> None:
            if old in given:
                if new in given:
                    raise TypeError(f"{old} is the old name of {new}: give {new} alone")
                _warn(old, new)
                given[new] = given.pop(old)
            made_by(self, **given)

        def read(self: T) -> Any:
            _warn(old, new)
            return getattr(self, new)

        setattr(kind, "__init__", init)  # noqa: B010 - a method, which mypy takes to be final
        setattr(kind, old, property(read, doc=f"The old name of ``{new}``."))
        return kind

    return decorate


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is called {new} now", DeprecationWarning, stacklevel=3)
