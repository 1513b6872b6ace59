"""Operations of operators that the fleet has not taken yet: what a page may not call done."""

from __future__ import annotations

from typing import Literal

Operation = Literal["reset", "override"]


class PendingOperations:
    """The last operation of each kind on each circuit, until the script has carried it out.

    An earlier one of the same kind is served by the later one, or void after it.
    """

    def __init__(self) -> None:
        self._operations: dict[tuple[str, Operation], str] = {}

    def note(self, key: str, kind: Operation, operation: str) -> None:
        """Record one."""
        self._operations[key, kind] = operation

    def taken(self, key: str, kind: Operation, operation: str) -> None:
        """Record that the fleet has it."""
        if self._operations.get((key, kind)) == operation:
            del self._operations[key, kind]

    def keys(self) -> tuple[str, ...]:
        """Return the circuits whose operations wait, those that wait longest first."""
        return tuple(dict.fromkeys(key for key, _ in tuple(self._operations)))
