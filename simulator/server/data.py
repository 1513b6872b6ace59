"""The keys of a server: typed values with times to live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


class RefusedError(Exception):
    """An error that the server answers; its text begins with the error's code."""


class Status(str):
    """An answer such as ``OK``, which scripts see as a table and not as a string."""

    __slots__ = ()


class Hash(dict[str, str]):
    """Values by field."""


class Members(dict[str, None]):
    """A set; a dictionary, since the order of a Python set differs from run to run."""


class SortedSet(dict[str, float]):
    """Scores by member."""

    def ranked(self) -> list[tuple[str, float]]:
        """Return members and scores, the lowest first, equal ones in the order of their bytes."""
        return sorted(self.items(), key=lambda item: (item[1], item[0]))


V = TypeVar("V", Hash, Members, SortedSet)


class Data:
    """All keys of a server. Values are text: the protocol sends nothing else.

    Args:
        now: the server's time, epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._values: dict[str, Any] = {}
        self.ends: dict[str, int] = {}
        """Epoch milliseconds after which a key is gone, of those that end."""

    def milliseconds(self) -> int:
        """Return the server's time in whole epoch milliseconds."""
        return int(self._now() * 1000)

    def exists(self, key: str) -> bool:
        """Return whether there is such a key, and let it end if its time is up."""
        if key in self.ends and self.milliseconds() > self.ends[key]:
            self.delete(key)
        return key in self._values

    def value(self, key: str) -> Any:
        """Return a key's value of whatever type, or None."""
        return self._values[key] if self.exists(key) else None

    def find(self, key: str, kind: type[V]) -> V | None:
        """Return a value to read, or None.

        Raises:
            RefusedError: it is of another type.
        """
        value = self.value(key)
        if value is not None and type(value) is not kind:
            raise RefusedError(WRONG_TYPE)
        return value

    def find_text(self, key: str) -> str | None:
        """Return a string, or None; raises as ``find``."""
        value = self.value(key)
        if value is not None and not isinstance(value, str):
            raise RefusedError(WRONG_TYPE)
        return value

    def make(self, key: str, kind: type[V]) -> V:
        """Return a value to write to, made if need be; raises as ``find``."""
        value = self.find(key, kind)
        if value is None:
            value = self._values[key] = kind()
        return value

    def put_text(self, key: str, text: str) -> None:
        """Set a string; a time to live stays."""
        self._values[key] = text

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._values.pop(key, None)
        self.ends.pop(key, None)

    def tidy(self, key: str) -> None:
        """Remove a key that has become empty: no type has empty values."""
        if not self._values[key]:
            self.delete(key)

    def size(self) -> int:
        """Return the number of members, fields and strings that are kept."""
        return sum(
            1 if isinstance(value, str) else len(value)
            for key, value in list(self._values.items())
            if self.exists(key)
        )

    def copy(self) -> tuple[dict[str, Any], dict[str, int]]:
        """Return a copy of everything, for ``become``."""
        return {key: type(one)(one) for key, one in self._values.items()}, dict(self.ends)

    def become(self, copied: tuple[dict[str, Any], dict[str, int]]) -> None:
        """Be as a copy says."""
        values, ends = copied
        self._values = {key: type(one)(one) for key, one in values.items()}
        self.ends = dict(ends)
