"""The errors this library raises of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .states import CircuitState

if TYPE_CHECKING:
    from typing import Any


class CircuitOpenError(Exception):
    """A call was rejected, and not made, because its circuit is open or busy probing.

    ``args`` are always the two arguments, so that it can be pickled, copied and rebuilt from them.

    Args:
        key: the circuit's key.
        retry_after: seconds until a call may be admitted, at the moment of the rejection; never
            None, and at least 1.0 where probes of a recovery run (nobody knows when those end).
    """

    args: tuple[Any, ...]

    # No slots: a class of the user's may have a ConnectionError, say, as its other base.

    state: CircuitState = CircuitState.OPEN
    """OPEN, or HALF_OPEN where the call found no place among the probes of a recovery."""

    _kind: object = None
    """The kind of call that found no place among the probes; see ``core.standoff``."""

    def __init__(self, key: str, retry_after: float) -> None:
        # Not super(): a subclass may have another exception as its second base.
        self.args = key, retry_after

    @property
    def key(self) -> str:
        """The circuit's key."""
        key: str = self.args[0]
        return key

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be admitted, as of the rejection."""
        retry_after: float = self.args[1]
        return retry_after

    def __str__(self) -> str:
        probing = ": probing" if self.state is CircuitState.HALF_OPEN else ""
        seconds = f"{round(self.retry_after, 1):g}"
        return f"Circuit breaker is OPEN for {self.key}{probing}; retry in {seconds} s"


class NotInstalledError(RuntimeError):
    """A guard ran in an application on which no ``HybridBreaker`` is installed."""
