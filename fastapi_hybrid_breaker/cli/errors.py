"""How the command ends."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes."""

    DONE = 0
    REFUSED = 1  # not found, or not to be done
    USAGE = 2
    NO_REDIS = 3


class CommandError(Exception):
    """What ends the command, shown to whoever called it.

    Args:
        code: the exit code.
        message: what went wrong, and what to do about it.
    """

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
