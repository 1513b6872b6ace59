"""What the exchange is made of: topics that have something to send, each with its own answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .work_item import Request


class Topic(Protocol):
    """One subject of the exchange. No I/O: the sender sends what it gives."""

    def take(self, now: float, most: int) -> Iterable[Request]:
        """Return about ``most`` requests to send now; they are off the list until put back."""

    def put_back(self, request: Request) -> None:
        """List again what was sent without an answer."""

    def answered(self, request: Request, answer: Any) -> None:
        """Apply the answer to a request of this topic.

        Raises:
            MalformedError: it is none.
        """

    def next_due(self) -> float | None:
        """Return when ``take`` has something: 0.0 now, monotonic seconds, or None: not foreseen."""
