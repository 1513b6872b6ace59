"""The errors this library raises of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol


class CircuitOpenError(Exception):
    """A call was rejected, and not made, because its circuit is open or busy probing.

    Args:
        key: the circuit's key.
        retry_after: seconds until a call may be admitted, at the moment of asking; never None,
            0.0 when that time has come, and at least 1.0 where probes of a recovery run (nobody
            knows when those end).
    """

    # No slots: a class of the user's may have a ConnectionError, say, as its other base.

    def __init__(self, key: str, retry_after: float) -> None:
        # Without super().__init__: one call less.
        self.key = key
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"Circuit breaker is OPEN for {self.key} (retry after {self.retry_after:.1f} s)"

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickling an exception goes by its args, which lack what was given by keyword.
        return type(self), (self.key, self.retry_after), self.__dict__


class RejectedCallError(CircuitOpenError):
    """The error as circuits raise it: the same to everybody, and half as dear to make.

    It has no constructor in Python: Exception's own keeps the two arguments in ``args``.
    """

    __slots__ = ()

    if not TYPE_CHECKING:
        __init__ = Exception.__init__

        @property
        def key(self) -> str:
            """The circuit's key."""
            return self.args[0]

        @key.setter
        def key(self, key: str) -> None:
            self.args = key, self.args[1]

        @property
        def retry_after(self) -> float:
            """Seconds until a call may be admitted."""
            return self.args[1]

        @retry_after.setter
        def retry_after(self, retry_after: float) -> None:
            self.args = self.args[0], retry_after

    def __repr__(self) -> str:
        return f"CircuitOpenError({self.key!r}, {self.retry_after!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return CircuitOpenError, (self.key, self.retry_after), self.__dict__


class _Barred(Protocol):
    """A circuit that rejects."""

    @property
    def key(self) -> str:
        """Its key."""

    def retry_after(self) -> float:
        """Seconds until a call may be admitted."""


class BarredCallError(RejectedCallError):
    """The same, where no clock was read to raise it: its only argument is the circuit.

    So ``retry_after`` is worked out whenever somebody asks. Who sets it, has it stay.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, circuit: _Barred) -> None: ...

    else:

        @property
        def key(self) -> str:
            """The circuit's key."""
            return self.args[0].key

        @key.setter
        def key(self, key: str) -> None:
            self.__class__, self.args = RejectedCallError, (key, self.retry_after)

        @property
        def retry_after(self) -> float:
            """Seconds until a call may be admitted."""
            return self.args[0].retry_after()

        @retry_after.setter
        def retry_after(self, retry_after: float) -> None:
            self.__class__, self.args = RejectedCallError, (self.key, retry_after)


for _one in (RejectedCallError, BarredCallError):  # in tracebacks and logs
    _one.__name__ = _one.__qualname__ = "CircuitOpenError"


class NotInstalledError(RuntimeError):
    """A guard ran in an application on which no ``HybridBreaker`` is installed."""


class WrongContextError(RuntimeError):
    """A ``with circuit:`` block was left in another task or thread than it was entered in."""


class MisuseError(TypeError):
    """A call was guarded in a way that cannot work; it says nothing about the dependency."""
