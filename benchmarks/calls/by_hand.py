"""The least that can be called a breaker: an ``if`` and a ``try``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class OpenError(Exception):
    """The rejection."""


class ByHand:
    """Counts failures in a row, opens, and never closes by itself."""

    def __init__(self, threshold: int = 5) -> None:
        self.is_open = False
        self.failures = 0
        self.threshold = threshold

    async def call(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        if self.is_open:
            raise OpenError
        try:
            result = await fn(*args)
        except Exception:
            self.count()
            raise
        self.failures = 0
        return result

    def call_sync(self, fn: Callable[..., Any], *args: Any) -> Any:
        if self.is_open:
            raise OpenError
        try:
            result = fn(*args)
        except Exception:
            self.count()
            raise
        self.failures = 0
        return result

    def guard(self) -> Block:
        return Block(self)

    def count(self) -> None:
        self.failures += 1
        if self.failures >= self.threshold:
            self.is_open = True


class Block:
    """The same for ``async with``."""

    __slots__ = ("breaker",)

    def __init__(self, breaker: ByHand) -> None:
        self.breaker = breaker

    async def __aenter__(self) -> None:
        if self.breaker.is_open:
            raise OpenError

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            self.breaker.failures = 0
        elif isinstance(error, Exception):
            self.breaker.count()
