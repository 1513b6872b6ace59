"""Instances of the fleet inside one test process, and waiting for what they come to know."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from tests import inside
from tests.patience import PATIENCE

from .sessions import drained, session_of, set_next_heartbeat, tasks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .server import Server

CONFIG = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=30.0)


@contextlib.asynccontextmanager
async def fleet(
    server: Server, size: int = 2, defaults: CircuitConfig = CONFIG, **options: Any
) -> AsyncIterator[list[HybridBreaker]]:
    """Start ``size`` instances that share ``server``."""
    async with contextlib.AsyncExitStack() as stack:
        breakers = [
            HybridBreaker(redis=server.url, defaults=defaults, **options) for _ in range(size)
        ]
        for breaker in breakers:
            await stack.enter_async_context(breaker)
        yield breakers


async def until(condition: Callable[[], object], what: str = "") -> None:
    """Wait until ``condition`` holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"never came true: {what or condition}") from None


async def fail(breaker: HybridBreaker, key: str, times: int = 3) -> None:
    """Make guarded calls that fail."""

    async def broken() -> None:
        raise ConnectionError

    for _ in range(times):
        with contextlib.suppress(ConnectionError):
            await breaker.execute(key, broken)


async def succeed(breaker: HybridBreaker, key: str, times: int = 1) -> None:
    """Make guarded calls that succeed."""

    async def fine() -> None:
        return None

    for _ in range(times):
        await breaker.execute(key, fine)


async def probe(breaker: HybridBreaker, key: str, *, works: bool = True) -> None:
    """Call until a call is admitted: the right to probe takes a round trip."""
    call = succeed if works else fail

    async def admitted() -> None:
        while True:
            try:
                return await call(breaker, key, times=1)
            except CircuitOpenError:
                await asyncio.sleep(0.002)

    async with asyncio.timeout(PATIENCE):
        await admitted()


async def cut_off(breaker: HybridBreaker) -> None:
    """Let an instance send and receive nothing any more, while its calls go on."""
    session = session_of(breaker)
    for task in tasks_of(session):
        task.end()
    await until(lambda: all(task.is_over for task in tasks_of(session)))


def fix_round_trip(*breakers: HybridBreaker, seconds: float) -> None:
    """Make instances believe that the server is so far away, however busy this machine is.

    The longer it is, the more probes need a lease.
    """
    for breaker in breakers:
        session = session_of(breaker)
        session.own.server.note_round_trip = lambda _: None  # type: ignore[method-assign]
        inside.peers_of(breaker).round_trip = seconds


def hush(*breakers: HybridBreaker) -> None:
    """Send no heartbeat in the next time, where a test counts commands."""
    for breaker in breakers:
        session = session_of(breaker)
        set_next_heartbeat(session.exchange, float("inf"))


async def settled(*breakers: HybridBreaker) -> None:
    """Wait until no instance has anything left to send."""
    for breaker in breakers:
        session = session_of(breaker)
        await until(lambda s=session: s.is_idle(), "nothing left to send")
        async with asyncio.timeout(PATIENCE):
            await drained(session)
