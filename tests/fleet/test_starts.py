"""Starts and stops that overlap, are cancelled, come from other event loops, or never come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import HybridBreaker
from tests import inside

from .instances import CONFIG, fail, until
from .links import sync

if TYPE_CHECKING:
    from .server import Server

KEY = "inventory-api"

HANG = 30.0
"""A bound against hanging."""


# -- overlapping ------------------------------------------------------------------------------


async def test_start_during_a_stop_is_shared_afterwards(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    first = inside.sync_of(breaker).instance
    stop = asyncio.create_task(breaker.stop())
    await asyncio.sleep(0)
    await breaker.start()
    await stop
    assert sync(breaker) == "connected"
    assert inside.sync_of(breaker).instance not in {"", first}
    await fail(breaker, KEY)
    await until(lambda: server.hash(KEY).get("state") == "OPEN")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_stop_during_a_start_ends_it_and_nobody_waits(server: Server) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    server.hang()
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0.01)
    async with asyncio.timeout(HANG):
        await breaker.stop()
        await start
    assert sync(breaker) == "disabled"
    assert asyncio.all_tasks() == before


async def test_a_start_that_is_stopped_while_it_waits_for_another_stop_starts_nothing(
    server: Server,
) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    waiting = []
    for act in (breaker.stop, breaker.start, breaker.stop):
        waiting.append(asyncio.create_task(act()))
        await asyncio.sleep(0)
    async with asyncio.timeout(HANG):
        await asyncio.gather(*waiting)
    assert sync(breaker) == "disabled"
    assert asyncio.all_tasks() == before


async def test_a_stop_too_many_does_not_keep_the_first_one_from_sending(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    keys = [f"{KEY}-{at}" for at in range(120)]  # more than one round trip
    for key in keys:
        await fail(breaker, key)
    first = asyncio.create_task(breaker.stop())
    await asyncio.sleep(0)
    await asyncio.gather(first, breaker.stop())
    assert [key for key in keys if server.hash(key).get("state") != "OPEN"] == []


async def test_a_start_cancelled_while_redis_hangs_leaves_nothing_behind(server: Server) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    server.hang()
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0.01)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert asyncio.all_tasks() == before
    assert sync(breaker) == "disabled"
    server.resume()
    async with breaker:
        await until(lambda: sync(breaker) == "connected")


async def test_one_of_two_starts_cancelled_leaves_the_other_ones_session(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    server.hang()
    starts = [asyncio.create_task(breaker.start()) for _ in range(2)]
    await asyncio.sleep(0.01)
    starts[0].cancel()
    await asyncio.wait(starts)
    assert sync(breaker) == "isolated"
    server.resume()
    await until(lambda: sync(breaker) == "connected")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_a_stop_cancelled_while_it_sends_ends_all_the_same(server: Server) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    server.hang()
    await fail(breaker, KEY)
    stop = asyncio.create_task(breaker.stop())
    await asyncio.sleep(0.01)
    stop.cancel()
    await asyncio.wait([stop])
    await until(lambda: sync(breaker) == "disabled")
    await until(lambda: asyncio.all_tasks() == before)


class Model:
    """What callers expect: a start counts until it is stopped, or is cancelled itself."""

    def __init__(self, breaker: HybridBreaker) -> None:
        self.breaker = breaker
        self.stretch = [0]  # how many starts; a new one after each time there were none

    async def start(self) -> None:
        stretch = self.stretch
        stretch[0] += 1
        try:
            await self.breaker.start()
        except asyncio.CancelledError:
            if stretch is self.stretch:
                self._less()
            raise

    async def stop(self) -> None:
        self._less()
        await self.breaker.stop()

    def _less(self) -> None:
        if self.stretch[0]:
            self.stretch[0] -= 1
        if not self.stretch[0]:
            self.stretch = [0]


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["start", "stop", "wait", "settle"]),
        st.tuples(st.just("turns"), st.integers(1, 12)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
    ),
    max_size=14,
)


async def play(server: Server, steps: list[Any]) -> None:
    before = asyncio.all_tasks()
    model = Model(HybridBreaker(redis=server.url, defaults=CONFIG))
    tasks: list[asyncio.Task[None]] = []
    for step in steps:
        match step:
            case "start":
                tasks.append(asyncio.create_task(model.start()))
            case "stop":
                tasks.append(asyncio.create_task(model.stop()))
            case "wait":
                await asyncio.sleep(0.01)
            case "settle":
                await asyncio.gather(*tasks, return_exceptions=True)
            case ("turns", int(turns)):
                for _ in range(turns):
                    await asyncio.sleep(0)
            case ("cancel", int(which)) if which < len(tasks):
                tasks[-1 - which].cancel()
    async with asyncio.timeout(HANG):
        await asyncio.gather(*tasks, return_exceptions=True)
    left = model.stretch[0]
    if left:
        assert sync(model.breaker) != "disabled"
        server.resume()
        await until(lambda: sync(model.breaker) == "connected")
        for _ in range(left):
            assert sync(model.breaker) == "connected"
            await model.breaker.stop()
    await until(lambda: sync(model.breaker) == "disabled")
    await until(lambda: asyncio.all_tasks() == before)


@pytest.mark.parametrize("hangs", [False, True])
def test_starts_and_stops_end_as_their_callers_expect_in_any_order(
    server: Server, hangs: bool
) -> None:
    def run(steps: list[Any]) -> None:
        if hangs:
            server.hang()
        try:
            asyncio.run(play(server, steps))
        finally:
            server.resume()

    # pytest-asyncio is of no use here: each example has a loop of its own.
    given(STEPS)(
        settings(
            max_examples=12 if hangs else 60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )(run)
    )()
