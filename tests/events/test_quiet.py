"""A stream on which nothing happens, on virtual time: nobody waits for its ten seconds."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.web.events.channel import PING_EVERY, Channel
from fastapi_hybrid_breaker.web.events.feed import Feed
from simulator.loop import run
from tests import inside

from .channels import wakes_readers
from .serving import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable

PING = b": ping\n\n"
WATCHED = 100.0
"""Seconds of virtual time."""


async def watch(
    feed: Feed, happens: Callable[[], object] = lambda: None, every: float = WATCHED
) -> list[tuple[float, bytes]]:
    """Return what a reader is sent, and when; ``happens`` is called every so many seconds."""
    loop, sent = asyncio.get_running_loop(), []

    async def happen() -> None:
        while True:
            await asyncio.sleep(every)
            happens()

    happening = asyncio.create_task(happen())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WATCHED), aclosing(feed.read()) as events:
            async for chunk in events:
                sent.append((loop.time(), chunk))  # noqa: PERF401 - it ends by a time-out
    happening.cancel()
    return sent


def gaps(sent: list[tuple[float, bytes]]) -> list[float]:
    times = [time for time, _ in sent]
    return [after - before for before, after in zip(times, [*times[1:], WATCHED], strict=True)]


def test_a_stream_of_quiet_circuits_is_pinged_every_ten_seconds() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    breaker.circuit("quiet")

    async def main() -> list[tuple[float, bytes]]:
        return await watch(Feed(breaker))

    sent = run(main())
    assert [chunk for time, chunk in sent if time] == [PING] * 9
    assert max(gaps(sent)) == pytest.approx(PING_EVERY)


def test_a_stream_without_any_circuit_is_pinged_as_well() -> None:
    async def main() -> list[tuple[float, bytes]]:
        return await watch(Feed(HybridBreaker(redis=None)))

    assert max(gaps(run(main()))) == pytest.approx(PING_EVERY)


@pytest.mark.parametrize("every", [7.0, 9.5, 10.5, 25.0])
def test_no_silence_is_longer_than_ten_seconds_however_often_something_happens(
    every: float,
) -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    circuit = breaker.circuit("rarely")

    def happens() -> None:
        inside.open_here(circuit, 60.0)
        inside.reset_here(circuit)

    async def main() -> list[tuple[float, bytes]]:
        return await watch(Feed(breaker), happens, every)

    sent = run(main())
    assert max(gaps(sent)) <= PING_EVERY + 1e-6
    assert any(b"event: circuit" in chunk for _, chunk in sent)


def test_a_stream_on_which_something_comes_each_second_is_not_pinged() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    circuit = breaker.circuit("often")

    def happens() -> None:
        inside.open_here(circuit, 60.0)
        inside.reset_here(circuit)

    async def main() -> list[tuple[float, bytes]]:
        return await watch(Feed(breaker), happens, 1.0)

    assert PING not in [chunk for _, chunk in run(main())]


def test_readers_are_not_woken_while_nothing_is_written() -> None:
    async def main() -> None:
        channel = Channel()
        awaited = wakes_readers(channel)
        channel.wake()
        assert not awaited.is_set()
        channel.add("figures", "{}")
        channel.wake()
        assert awaited.is_set()

    run(main())
