"""Starts and stops from several event loops, and with every request."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from tests import inside
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, succeed, until
from .links import sync
from .no_loop import drive

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from .server import Server


KEY = "inventory-api"


class Loop:
    """A second event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End without a stop."""
        if not self.loop.is_closed():
            for task in asyncio.all_tasks(self.loop):
                self.loop.call_soon_threadsafe(task.cancel)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(PATIENCE)
            self.loop.run_until_complete(asyncio.sleep(0.05))  # what was cancelled ends
            self.loop.close()


@pytest.fixture
def other() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


# -- more than one event loop -----------------------------------------------------------------


async def test_second_loop_goes_on_with_sharing_when_the_first_one_stops(
    server: Server, other: Loop
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await other.run(breaker.start())
    first = inside.sync_of(breaker).instance
    await breaker.start()
    assert inside.sync_of(breaker).instance == first
    await other.run(breaker.stop())
    await until(lambda: sync(breaker) == "connected")
    assert inside.sync_of(breaker).instance != first
    await fail(breaker, KEY)
    await until(lambda: server.hash(KEY).get("state") == "OPEN")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_second_loop_goes_on_with_sharing_when_the_first_one_ends_without_a_stop(
    server: Server, other: Loop
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await other.run(breaker.start())
    await breaker.start()
    await asyncio.to_thread(other.close)
    assert sync(breaker) == "disabled"
    await until(lambda: sync(breaker) == "connected")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_start_during_the_stop_of_another_loop_takes_over(
    server: Server, other: Loop
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await other.run(breaker.start())
    stop = asyncio.create_task(other.run(breaker.stop()))
    await asyncio.sleep(0)
    await breaker.start()
    await stop
    await until(lambda: sync(breaker) == "connected")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_second_loop_that_has_stopped_does_not_take_over(server: Server, other: Loop) -> None:
    async with fleet(server, 1) as (breaker,):
        await other.run(breaker.start())
        await other.run(breaker.stop())
        instance = inside.sync_of(breaker).instance
    assert sync(breaker) == "disabled"
    await asyncio.sleep(0.01)
    assert inside.sync_of(breaker).instance == "" != instance


def test_probes_go_on_after_a_loop_that_ended_without_a_stop(server: Server) -> None:
    """Nobody is left who could ask for the right to probe."""
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.05)
    breaker = HybridBreaker(redis=server.url, defaults=config)

    async def left() -> None:
        await breaker.start()
        await fail(breaker, KEY, times=1)

    asyncio.run(left())

    async def again() -> None:
        await until(lambda: breaker.stats(KEY).retry_after == 0)
        await succeed(breaker, KEY)

    asyncio.run(again())
    assert breaker.state(KEY) == "CLOSED"
    assert (sync(breaker), inside.peers_of(breaker).has_fleet) == ("disabled", False)


def test_without_redis_everything_works_under_any_event_loop() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)

    async def life() -> None:
        async with breaker, breaker.lifespan():
            await fail(breaker, KEY)
            assert breaker.state(KEY) == "OPEN"
            assert await breaker.reset(KEY) == "local"
            done = await breaker.override(KEY, "disabled", by="ann", reason="x", seconds=60.0)
            assert done == "local"
            assert await breaker.clear_override(KEY) == "local"
            assert await breaker.instances() is None
            assert await breaker.look_up(KEY) is not None
            async with breaker.circuit(KEY).guard():
                pass
            assert await breaker.circuit(KEY).reset() == "local"
        assert breaker.health().status == "ok"

    drive(life())
    assert (sync(breaker), breaker.sync_status().error) == ("disabled", None)


# -- with every request -------------------------------------------------------------------------


async def test_starts_after_one_that_waited_in_vain_do_not_wait(server: Server) -> None:
    """As Mangum does it: a start and a stop for each invocation."""
    now = 0.0
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG, clock=lambda: now)
    server.hang()
    await breaker.start()
    await breaker.stop()
    turns: list[Any] = []
    for _ in range(20):
        starting = asyncio.create_task(breaker.start())
        for _turn in range(5):
            await asyncio.sleep(0)
            if starting.done():
                break
        turns.append(starting.done())
        assert sync(breaker) == "isolated"
        await starting
        await breaker.stop()
    assert turns == [True] * 20
    server.resume()
    now = 31.0  # it is worth a wait again, lest nobody ever gets to know
    await breaker.start()
    assert sync(breaker) == "connected"
    await breaker.stop()
    await breaker.start()
    assert sync(breaker) == "connected"  # and from now on each start waits
    await breaker.stop()
