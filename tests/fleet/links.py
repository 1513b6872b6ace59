"""Instances behind a link that misbehaves, and what is asked of them whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, succeed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi_hybrid_breaker import HybridBreaker

    from .proxy import Proxy

KEY = "inventory-api"
FLEETING = CircuitConfig(failure_threshold=3, success_threshold=1, recovery_timeout=0.3)


@contextlib.asynccontextmanager
async def behind(
    link: Proxy, size: int = 1, defaults: CircuitConfig = CONFIG
) -> AsyncIterator[list[HybridBreaker]]:
    """Start instances that reach the server over ``link`` only."""
    async with fleet(link, size, defaults) as breakers:  # type: ignore[arg-type]
        for breaker in breakers:
            breaker.circuit(KEY)
        await until(lambda: all(sync(breaker) == "connected" for breaker in breakers))
        yield breakers


def sync(breaker: HybridBreaker) -> str:
    return breaker.sync_status().state


def all_are(state: str, *breakers: HybridBreaker) -> bool:
    return {breaker.state(KEY) for breaker in breakers} == {state}


async def calls_without_a_turn(breaker: HybridBreaker) -> None:
    """Make calls of every kind; none of them may give the loop a turn.

    Not timed but counted: what gives the loop no turn cannot have waited for anything.
    """
    turns: list[Any] = []
    asyncio.get_running_loop().call_soon(turns.append, "a turn")
    await succeed(breaker, KEY, 100)
    await fail(breaker, KEY)
    assert breaker.state(KEY) == "OPEN"
    for _ in range(100):
        with pytest.raises(CircuitOpenError):
            await succeed(breaker, KEY)
    assert turns == []


async def recovers(*breakers: HybridBreaker) -> None:
    """Call each one, again and again, until the circuit is closed for all of them."""
    async with asyncio.timeout(PATIENCE):
        while not all_are("CLOSED", *breakers):
            for breaker in breakers:
                with contextlib.suppress(CircuitOpenError):
                    await succeed(breaker, KEY)
            await asyncio.sleep(0.02)
