"""What begins anew in a child process: threads, tasks and connections stay with the parent."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_living: weakref.WeakKeyDictionary[object, str] = weakref.WeakKeyDictionary()


def note(start_over: Callable[[], object]) -> None:
    """Call a method in every child that is forked while the object lives that it is of."""
    _living[start_over.__self__] = start_over.__name__  # type: ignore[attr-defined] # of a method


def _after_fork() -> None:
    for one, name in list(_living.items()):
        getattr(one, name)()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
