"""``await breaker.execute(key, fn)`` takes synchronous and asynchronous callables."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any

import pytest
from starlette.background import BackgroundTask

from fastapi_hybrid_breaker import CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.testing import ManualClock

from .parts import BrokenError, broken, broken_sync, fine, fine_sync


@pytest.mark.parametrize(
    "fn",
    [fine, fine_sync, functools.partial(fine), lambda value: asyncio.ensure_future(fine(value))],
    ids=["async", "sync", "partial", "gives a task"],
)
@pytest.mark.parametrize("is_probe", [False, True])
async def test_runs_any_callable_and_gives_its_result(
    breaker: HybridBreaker, clock: ManualClock, fn: Any, is_probe: bool
) -> None:
    if is_probe:
        await break_it(breaker)
        clock.advance(10)
    assert await breaker.execute("a", fn, 7) == 7
    assert breaker.state("a") == ("HALF_OPEN" if is_probe else "CLOSED")


@pytest.mark.parametrize("fn", [broken, broken_sync])
async def test_counts_failures_rejects_and_probes(
    breaker: HybridBreaker, clock: ManualClock, fn: Any
) -> None:
    for _ in range(2):
        with pytest.raises(BrokenError):
            await breaker.execute("a", fn)
    with pytest.raises(CircuitOpenError):
        await breaker.execute("a", fn)
    clock.advance(10)
    with pytest.raises(BrokenError):
        await breaker.execute("a", fn)
    assert breaker.state("a") == "OPEN"


async def test_a_sync_callable_runs_in_place(breaker: HybridBreaker) -> None:
    here = threading.get_ident(), asyncio.current_task()

    def where() -> tuple[int, Any]:
        return threading.get_ident(), asyncio.current_task()

    assert await breaker.execute("a", where) == here


async def test_a_future_is_awaited(breaker: HybridBreaker) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    call = asyncio.create_task(breaker.execute("a", lambda: future))
    await asyncio.sleep(0)
    future.set_exception(BrokenError())
    with pytest.raises(BrokenError):
        await call
    assert breaker.stats("a").failures == 1


async def test_a_bad_key_runs_nothing(breaker: HybridBreaker) -> None:
    with pytest.raises(ValueError, match="key"):
        await breaker.execute("..", broken)
    assert list(breaker.circuits()) == []


async def break_it(breaker: HybridBreaker) -> None:
    for _ in range(2):
        with pytest.raises(BrokenError):
            await breaker.execute("a", broken)


@pytest.mark.parametrize("by_key", [False, True])
async def test_a_background_task_awaits_it(breaker: HybridBreaker, by_key: bool) -> None:
    ran: list[int] = []

    async def job(number: int) -> None:
        ran.append(number)

    if by_key:
        await BackgroundTask(breaker.execute, "a", job, 7)()
    else:
        await BackgroundTask(breaker.circuit("a").execute, job, 7)()
    assert ran == [7]
