"""What begins anew in a child process: threads, tasks and connections stay with the parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that has to do with what a fork leaves behind."""

    def after_fork(self) -> None:
        """Start over, in the child."""


_living: weakref.WeakSet[Forkable] = weakref.WeakSet()


def note(one: Forkable) -> None:
    """Make ``one`` start over in every child that is forked while it lives."""
    _living.add(one)


def _after_fork() -> None:
    for one in list(_living):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
