"""Processes on virtual time: pauses, deaths and clocks."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from simulator import loop
from simulator.process import BEGAN, Process, make_task, wall_clocks

if TYPE_CHECKING:
    from collections.abc import Coroutine


def play(main: Coroutine[Any, Any, Any]) -> Any:
    async def prepared() -> Any:
        running: Any = asyncio.get_running_loop()
        running.set_task_factory(make_task)
        return await main

    with wall_clocks():
        return loop.run(prepared())


async def tick(log: list[float]) -> None:
    while True:
        await asyncio.sleep(1.0)
        log.append(asyncio.get_running_loop().time())


def test_a_paused_process_does_nothing_and_then_what_is_due() -> None:
    async def main() -> list[float]:
        process, log = Process(), []
        process.start(tick(log))
        await asyncio.sleep(2.5)
        process.pause()
        await asyncio.sleep(4.0)
        assert log == [1.0, 2.0]
        process.resume()
        await asyncio.sleep(1.0)
        return log

    assert play(main()) == [1.0, 2.0, 6.5, 7.5]


def test_a_killed_process_ends_with_all_its_tasks_even_while_it_is_paused() -> None:
    async def main() -> list[asyncio.Task[Any]]:
        process, log = Process(), []

        async def parent() -> None:
            children.append(asyncio.create_task(tick(log)))
            await asyncio.sleep(100)

        children: list[asyncio.Task[Any]] = []
        children.append(process.start(parent()))
        other = asyncio.create_task(asyncio.sleep(3.0))
        await asyncio.sleep(1.5)
        process.pause()
        process.kill()
        await asyncio.sleep(1.0)
        assert not other.done()
        return children

    children = play(main())
    assert len(children) == 2
    assert all(child.cancelled() for child in children)


def test_each_process_has_clocks_of_its_own() -> None:
    async def main() -> None:
        process = Process(began=1000.0, drift=0.5, wall=300.0)
        told: list[float] = []

        async def look() -> None:
            await asyncio.sleep(2.0)
            told.extend((time.time(), process.monotonic()))

        await process.start(look())
        assert told == [pytest.approx(BEGAN + 3.0 + 300.0), pytest.approx(1003.0)]
        process.wall -= 600.0
        assert process.context.run(time.time) == pytest.approx(BEGAN + 3.0 - 300.0)
        assert process.monotonic() == pytest.approx(1003.0)
        assert abs(time.time() - BEGAN) > 1.0  # nobody's: the machine's own

    play(main())
    assert time.time is not None


def test_tasks_of_a_process_do_not_see_each_others_context() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    async def main() -> list[int]:
        process = Process()

        async def change() -> int:
            variable.set(variable.get() + 1)
            await asyncio.sleep(1.0)
            return variable.get()

        return [await process.start(change()) for _ in range(2)]

    assert play(main()) == [1, 1]


def test_an_hour_of_virtual_time_is_no_time() -> None:
    async def wait() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert play(wait()) == pytest.approx(3600)


def test_timers_of_one_moment_run_in_their_order() -> None:
    async def main() -> list[int]:
        ran: list[int] = []
        running = asyncio.get_running_loop()
        for number in range(50):
            running.call_at(1.0, ran.append, number)
        await asyncio.sleep(1.0)
        return ran

    assert play(main()) == list(range(50))


def test_what_can_never_happen_is_said() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="nothing is left"):
        play(main())


def test_cancelled_timers_do_not_pile_up() -> None:
    async def main() -> int:
        running: Any = asyncio.get_running_loop()
        for _ in range(20_000):
            running.call_later(1e6, print).cancel()
            await asyncio.sleep(0)
        return len(running.timers)

    assert play(main()) < 6_000
