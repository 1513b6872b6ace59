"""The way to Redis: one connection, a limit of time for all that is done over it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self, TypeVar

from redis.exceptions import AuthenticationError, AuthorizationError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from fastapi_hybrid_breaker.fleet.connection import UNREACHABLE, Source, send
from fastapi_hybrid_breaker.fleet.sender import BATCH

from .errors import CommandError, Exit
from .words import harmless

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from types import TracebackType

    from redis.asyncio import Redis

T = TypeVar("T")

_REFUSALS = (ResponseError, AuthenticationError, AuthorizationError)


class Link:
    """A connection, made and used in one event loop.

    Args:
        source: where Redis is.
        timeout: seconds that one piece of work may take.
    """

    def __init__(self, source: Source, timeout: float) -> None:
        self.source = source
        self._timeout = timeout
        self.client: Redis = source.client(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave; one that is lost needs no goodbye."""
        with contextlib.suppress(*UNREACHABLE):
            await self.client.aclose()

    async def work(self, work: Awaitable[T]) -> T:
        """Do ``work`` over this link within its time.

        Raises:
            CommandError: Redis cannot be reached, does not answer, or refuses.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except UNREACHABLE as error:
            # Answers may still be under way on it: no use for the next piece of work.
            await self.client.connection_pool.disconnect()
            raise CommandError(Exit.NO_REDIS, self._describe(error)) from None

    async def ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands and give their answers, a WRONGTYPE error being one."""
        self.source.refuse_locked_key()
        answers: list[Any] = []
        for at in range(0, len(commands), BATCH):
            answers += await send(self.client, commands[at : at + BATCH])
        return answers

    def _describe(self, error: BaseException) -> str:
        where = f"Redis at {self.source}"
        if (fault := self.source.tls_fault(error)) is not None:
            return f"{where} cannot be connected to: {harmless(fault)}"
        text = harmless(self.source.redact(str(error))).rstrip(".")
        if isinstance(error, _REFUSALS):
            return f"{where} refuses: {text}"
        if isinstance(error, TimeoutError | RedisTimeoutError):
            return f"{where} did not answer within {self._timeout:g} seconds"
        return f"{where} cannot be reached: {text or type(error).__name__}"
