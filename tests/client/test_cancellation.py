"""A cancelled call gives no verdict, wherever it is cancelled, and keeps no place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.states import Outcome
from tests.client.bench import KEY, Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

    from tests.client.callers import Caller
    from tests.client.upstream import Upstream

    MakeCaller = Callable[..., Caller]


@pytest.fixture
def half() -> str:
    return "async"


async def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_before_the_head(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    task = asyncio.create_task(make_caller(bench).get(f"{upstream.url}/head-waits"))
    await asyncio.to_thread(upstream.wait_for_requests, 1)

    await cancel(task)

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_cancelled_while_it_connects(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    task = asyncio.create_task(make_caller(bench).get(f"{upstream.url}/status/200"))
    await asyncio.sleep(0)

    await cancel(task)

    assert upstream.requests == []
    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_a_time_out_around_the_call_is_a_cancellation(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await make_caller(bench).get(f"{upstream.url}/head-waits")

    assert bench.outcome() is Outcome.NOT_COUNTED


@pytest.mark.parametrize(("path", "chunks"), [("body-never", 0), ("body-waits", 1)])
async def test_cancelled_in_the_body(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, path: str, chunks: int
) -> None:
    client = make_caller(bench).client
    seen: list[bytes] = []
    is_reading = asyncio.Event()

    async def read() -> None:
        async with client.stream("GET", f"{upstream.url}/{path}") as response:
            reader = response.aiter_raw()
            seen.extend([await anext(reader) for _ in range(chunks)])
            is_reading.set()
            await anext(reader)

    task = asyncio.create_task(read())
    await is_reading.wait()
    await asyncio.sleep(0)

    await cancel(task)

    assert len(seen) == chunks
    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_cancelled_while_the_request_body_is_sent(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    is_sending = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"chunk"
        is_sending.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(
        make_caller(bench).get(f"{upstream.url}/status/200", method="POST", content=body())
    )
    await is_sending.wait()

    await cancel(task)

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_a_call_that_is_dropped_unfinished_is_no_verdict(
    bench: Bench, http: ModuleType
) -> None:
    async def never(_: Any) -> Any:
        await asyncio.Event().wait()

    transport: Any = bench.breaker.transport(http.MockTransport(never), KEY)
    call = transport.handle_async_request(http.Request("GET", "http://upstream/"))
    call.send(None)

    call.close()

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_a_cancelled_probe_leaves_the_circuit_able_to_close(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    bench = Bench(probing=True)
    caller = make_caller(bench)
    for number in range(1, 4):
        task = asyncio.create_task(caller.get(f"{upstream.url}/head-waits"))
        await asyncio.to_thread(upstream.wait_for_requests, number)
        await cancel(task)

    await caller.get(f"{upstream.url}/status/200")
    await caller.get(f"{upstream.url}/status/200")

    assert bench.circuit.state == "CLOSED"
