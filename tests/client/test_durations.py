"""How long a dependency was waited for, and streams that last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fastapi_hybrid_breaker import (
    CircuitConfig,
    CircuitState,
    CountWindow,
    HybridBreaker,
    SlowCallRate,
)
from fastapi_hybrid_breaker.testing import ManualClock
from tests import inside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import ModuleType

KEY = "inventory-api"
SLOW = SlowCallRate(1.0, slower_than=2.0, window=CountWindow(9), minimum_calls=9)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def breaker(clock: ManualClock) -> HybridBreaker:
    return HybridBreaker(redis=None, defaults=CircuitConfig(trip=SLOW), clock=clock)


def streaming(http: ModuleType, clock: ManualClock, *, head: float, chunk: float) -> Any:
    """Make a transport that needs so many seconds for the head, and for each of two chunks."""

    class Body(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            for part in (b"a", b"b"):
                clock.advance(chunk)
                yield part

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for part in self:
                yield part

    def answer(_: object) -> Any:
        clock.advance(head)
        return http.Response(200, stream=Body())

    return http.MockTransport(answer)


@pytest.mark.parametrize(
    ("head", "chunk", "between", "rate"),
    [
        (3.0, 0.0, 0.0, 1.0),
        (0.0, 1.5, 0.0, 1.0),  # 3 seconds in all
        (0.5, 0.7, 0.0, 0.0),
        (0.5, 0.5, 60.0, 0.0),  # the caller was slow, not the dependency
    ],
)
async def test_the_time_waited_for_head_and_chunks_counts_and_the_callers_own_does_not(
    http: ModuleType,
    half: str,
    breaker: HybridBreaker,
    clock: ManualClock,
    head: float,
    chunk: float,
    between: float,
    rate: float,
) -> None:
    transport = breaker.transport(streaming(http, clock, head=head, chunk=chunk), KEY)
    if half == "sync":
        with http.Client(transport=transport).stream("GET", "http://a/") as response:
            for _ in response.iter_raw():
                clock.advance(between)
    else:
        async with (
            http.AsyncClient(transport=transport) as client,
            client.stream("GET", "http://a/") as answer,
        ):
            async for _ in answer.aiter_raw():
                clock.advance(between)
    assert (breaker.stats(KEY).calls, breaker.stats(KEY).slow_rate) == (1, rate)


class Hanging(httpx.AsyncByteStream):
    def __init__(self, began: asyncio.Event) -> None:
        self.began = began

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"first"
        self.began.set()
        await asyncio.Event().wait()


@pytest.mark.parametrize("where", ["head", "body"])
async def test_a_dependency_that_hangs_behind_a_timeout_of_the_caller_is_slow(
    breaker: HybridBreaker, clock: ManualClock, where: str
) -> None:
    began = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        if where == "head":
            began.set()
            await asyncio.Event().wait()
        return httpx.Response(200, stream=Hanging(began))

    transport = breaker.transport(httpx.MockTransport(answer), KEY)
    async with httpx.AsyncClient(transport=transport) as client:
        request = asyncio.create_task(client.get("http://a/"))
        await began.wait()
        clock.advance(5.0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    stats = breaker.stats(KEY)
    assert (stats.calls, stats.slow_rate) == (0, 1.0)


async def test_a_stream_that_goes_well_at_its_deadline_closes_the_circuit(
    clock: ManualClock,
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=10.0)
    breaker = HybridBreaker(redis=None, defaults=config, clock=clock)
    guarded = breaker.circuit(KEY)
    inside.open_here(guarded, 10.0)
    clock.advance(10.0)
    began = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Hanging(began))

    transport = breaker.transport(httpx.MockTransport(answer), KEY)
    async with httpx.AsyncClient(transport=transport) as client:
        request = asyncio.create_task(client.get("http://a/"))
        await began.wait()
        assert guarded.state is CircuitState.HALF_OPEN
        clock.advance(10.0)
        assert guarded.call_sync(int) == 0
        assert guarded.state is CircuitState.CLOSED
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


# -- streams of an unusual make ------------------------------------------------------------------


class Countdown:
    """An async iterator, and nothing more."""

    def __init__(self) -> None:
        self.left = 2

    async def __anext__(self) -> bytes:
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return b"x"


class Minimal(httpx.AsyncByteStream):
    def __aiter__(self) -> Any:
        return Countdown()


class Once(httpx.AsyncByteStream):
    """Its own iterator, that can be asked for only once."""

    def __init__(self) -> None:
        self.is_used = False
        self.countdown = Countdown()

    def __aiter__(self) -> Any:
        if self.is_used:
            raise httpx.StreamConsumed
        self.is_used = True
        return self

    async def __anext__(self) -> bytes:
        return await self.countdown.__anext__()


class Unreadable(httpx.AsyncByteStream):
    def __aiter__(self) -> Any:
        raise httpx.ReadError("gone")


@pytest.mark.parametrize("stream", [Minimal, Once])
async def test_a_stream_that_a_plain_client_can_read_can_be_read_when_guarded(
    breaker: HybridBreaker, stream: type[httpx.AsyncByteStream]
) -> None:
    inner = httpx.MockTransport(lambda _: httpx.Response(200, stream=stream()))
    async with httpx.AsyncClient(transport=breaker.transport(inner, KEY)) as client:
        assert (await client.get("http://a/")).content == b"xx"
    assert breaker.stats(KEY).calls == 1


async def test_a_stream_that_cannot_be_begun_is_a_failure(breaker: HybridBreaker) -> None:
    inner = httpx.MockTransport(lambda _: httpx.Response(200, stream=Unreadable()))
    async with httpx.AsyncClient(transport=breaker.transport(inner, KEY)) as client:
        with pytest.raises(httpx.ReadError):
            await client.get("http://a/")
    assert breaker.stats(KEY).failures == 1


def test_an_ignored_class_of_groups_is_ignored_in_transports(clock: ManualClock) -> None:
    class OwnGroup(ExceptionGroup[Exception]):
        pass

    config = CircuitConfig(failure_threshold=1, ignored_exceptions=(OwnGroup,))
    breaker = HybridBreaker(redis=None, defaults=config, clock=clock)

    def answer(_: httpx.Request) -> httpx.Response:
        raise OwnGroup("own", [ValueError()])

    transport = breaker.transport(httpx.MockTransport(answer), KEY)
    with httpx.Client(transport=transport) as client, pytest.raises(OwnGroup):
        client.get("http://a/")
    assert breaker.state(KEY) is CircuitState.CLOSED
