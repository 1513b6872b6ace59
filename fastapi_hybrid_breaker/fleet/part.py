"""What the agenda is made of: parts that have something to send, each with its own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .errand import Request


class Part(Protocol):
    """One subject of the exchange. No I/O: the lane sends what it gives."""

    def take(self, now: float, most: int) -> Iterable[Request]:
        """Give what to send now, about ``most`` requests; they are off the list until put back."""

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""

    def answered(self, request: Request, answer: Any) -> None:
        """Take the answer to a request of this part.

        Raises:
            MalformedError: it is none.
        """

    def next_due(self) -> float | None:
        """Give when ``take`` has something: 0.0 now, monotonic seconds, or None: not foreseen."""
