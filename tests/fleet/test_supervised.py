"""Background tasks that end unasked: cancelled by strangers, failed, deaf to their own end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextvars import Context
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker.fleet.supervised import Supervised

from .instances import fail, fleet, until
from .sessions import asyncio_task_of, session_of, tasks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from fastapi_hybrid_breaker import HybridBreaker

    from .server import Server

KEY = "inventory-api"


class Bench:
    """One supervised task, and what it has reported."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.stopped: list[str] = []
        self.over = 0
        self.task = Supervised(
            "does something",
            run,
            new_context=Context,
            stopped=self.stopped.append,
            over=self._is_over,
        )

    def _is_over(self) -> None:
        self.over += 1


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]


def cancel_all_others() -> None:
    """What some libraries and tests do."""
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            task.cancel()


def sync(breaker: HybridBreaker) -> str:
    return breaker.sync_status().state


async def test_tasks_cancelled_by_a_stranger_are_told_and_started_again(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server) as (a, b):
        b.circuit(KEY)
        with caplog.at_level(logging.ERROR, "fastapi_hybrid_breaker"):
            cancel_all_others()
            await until(lambda: sync(a) == "isolated")
            assert "was cancelled" in (a.sync_status().error or "")
            assert a.health().status == "degraded"
            await fail(a, KEY)  # decided alone, meanwhile
            assert a.state(KEY) == "OPEN"
            await until(lambda: sync(a) == sync(b) == "connected")
        assert a.sync_status().error is None
        assert {"sends" in line or "listens" in line for line in errors(caplog)} == {True}
        assert len(errors(caplog)) == 4  # two tasks of each
        await until(lambda: b.state(KEY) == "OPEN")


@pytest.mark.parametrize("which", [0, 1])
async def test_one_task_cancelled_is_isolation_until_it_is_back(server: Server, which: int) -> None:
    async with fleet(server, 1) as (a,):
        session = session_of(a)
        task = asyncio_task_of(tasks_of(session)[which])
        assert task is not None
        task.cancel()
        await until(lambda: sync(a) == "isolated")
        await until(lambda: sync(a) == "connected")


async def test_a_task_that_returns_or_fails_unasked_is_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ZeroDivisionError("a defect")
        if runs > 2:
            await asyncio.Event().wait()

    bench = Bench(run)
    bench.task.start()
    await until(lambda: runs == 3)
    assert len(bench.stopped) == 2
    assert "ZeroDivisionError" in bench.stopped[0]
    assert "a defect" not in bench.stopped[0]
    assert any(one.exc_info for one in caplog.records)
    bench.task.end()
    await until(lambda: bench.over)


async def test_a_task_that_ends_again_and_again_is_started_three_times_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.supervised._RESTART_AFTER", 0.0)
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.supervised._WITHIN", 1e9)
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    bench = Bench(run)
    bench.task.start()
    await until(lambda: len(errors(caplog)) == 4)
    assert runs == len(bench.stopped) == 4
    assert "not shared" in errors(caplog)[-1]
    assert not bench.over
    bench.task.end()
    assert bench.over == 1


async def test_a_task_that_has_been_given_up_is_tried_again_after_the_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.supervised._RESTART_AFTER", 0.0)
    monkeypatch.setattr("fastapi_hybrid_breaker.fleet.supervised._WITHIN", 0.3)
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    bench = Bench(run)
    bench.task.start()
    await until(lambda: runs > 4)
    bench.task.end()
    await until(lambda: bench.over)


async def test_a_cancellation_that_a_library_swallows_is_repeated() -> None:
    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    bench = Bench(deaf)
    bench.task.start()
    await asyncio.sleep(0)
    bench.task.end()
    bench.task.end()
    await until(lambda: bench.over)
    assert bench.over == 1
    assert asyncio_task_of(bench.task) is not None
    assert asyncio_task_of(bench.task).cancelled()
    assert bench.stopped == []


async def test_a_task_that_cannot_be_ended_keeps_nobody_waiting() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    bench = Bench(stubborn)
    bench.task.start()
    await asyncio.sleep(0)
    bench.task.end()
    await until(lambda: bench.over)
    release.set()
    assert asyncio_task_of(bench.task) is not None
    await asyncio_task_of(bench.task)
    assert bench.over == 1


async def test_ending_while_it_waits_to_be_started_again_starts_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1

    bench = Bench(run)
    bench.task.start()
    await until(lambda: bench.stopped)
    bench.task.end()
    assert bench.over == 1
    assert (runs, errors(caplog)) == (1, [])


async def test_task_factory_that_takes_no_context_is_no_reason_not_to_start(server: Server) -> None:
    """Those made for Python 3.10 take a loop and a coroutine."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work: asyncio.Task(work, loop=loop))  # type: ignore[arg-type]
    try:
        async with fleet(server, 1) as (breaker,):
            await until(lambda: sync(breaker) == "connected")
    finally:
        loop.set_task_factory(None)
