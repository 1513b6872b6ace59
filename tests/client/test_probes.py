"""Recovery through a transport: how many probes, and what runs inside of one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError
from tests import inside
from tests.client.bench import KEY, Bench
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.client.callers import Caller
    from tests.client.upstream import Upstream

    MakeCaller = Callable[..., Caller]

URL = "http://upstream/"


async def test_at_the_end_of_the_open_time_exactly_the_probes_reach_the_server(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    config = CircuitConfig(success_threshold=3, half_open_max_calls=3)
    bench = Bench(probing=True, config=config)
    caller = make_caller(bench)
    calls = [
        asyncio.create_task(caller.get(f"{upstream.url}/head-waits", timeout=PATIENCE))
        for _ in range(100)
    ]
    rejected = []
    for call in asyncio.as_completed(calls):
        try:
            await call
        except CircuitOpenError as error:
            rejected.append(error.retry_after)
            if len(rejected) == 97:  # all that are going to be; the others wait for the server
                await asyncio.to_thread(upstream.wait_for_requests, 3)
                upstream.release.set()

    assert rejected == [1.0] * 97
    assert len(upstream.requests) == 3
    assert bench.circuit.state == "CLOSED"


async def test_a_probe_lasts_until_its_body_has_been_read(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    bench = Bench(probing=True)
    caller = make_caller(bench)
    first = asyncio.create_task(caller.get(f"{upstream.url}/body-waits"))
    await asyncio.to_thread(upstream.wait_for_requests, 1)

    with pytest.raises(CircuitOpenError):
        await caller.get(f"{upstream.url}/status/200")
    upstream.release.set()
    await first

    await caller.get(f"{upstream.url}/status/200")
    assert bench.circuit.state == "CLOSED"


async def test_later_requests_of_the_same_task_are_not_inside_a_probe_that_is_still_read(
    http: ModuleType, half: str, upstream: Upstream
) -> None:
    bench = Bench(probing=True)
    guarded: Any = bench.breaker.transport(
        http.MockTransport(lambda _: http.Response(200, stream=BothWays(http).stream)), KEY
    )

    async def send() -> Any:
        request = http.Request("GET", URL)
        if half == "async":
            return await guarded.handle_async_request(request)
        return guarded.handle_request(request)

    await send()

    with pytest.raises(CircuitOpenError):
        await send()


async def test_nor_are_they_after_a_probe_of_another_circuit_within_the_transport(
    http: ModuleType, half: str
) -> None:
    bench = Bench(probing=True)
    other = bench.breaker.circuit("other", bench.config)
    inside.open_here(other, 0.0)  # its next call is a probe, too

    async def answer() -> Any:
        return http.Response(200, stream=BothWays(http).stream)

    async def inner(_: Any) -> Any:
        return await other.call(answer)

    def inner_sync(_: Any) -> Any:
        return other.call_sync(http.Response, 200, stream=BothWays(http).stream)

    guarded: Any = bench.breaker.transport(
        http.MockTransport(inner if half == "async" else inner_sync), KEY
    )

    async def send() -> Any:
        request = http.Request("GET", URL)
        if half == "async":
            return await guarded.handle_async_request(request)
        return guarded.handle_request(request)

    await send()

    assert other.stats().successes == 1
    with pytest.raises(CircuitOpenError):
        await send()


class BothWays:
    """An empty stream, sync and async."""

    def __init__(self, http: ModuleType) -> None:
        class Stream(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
            pass

        self.stream = Stream()


async def test_a_guarded_call_inside_the_transport_shares_the_probe(
    http: ModuleType, half: str
) -> None:
    bench = Bench(probing=True)

    async def inner(_: Any) -> Any:
        return await bench.circuit.call(answer)

    async def answer() -> Any:
        return http.Response(200)

    def inner_sync(_: Any) -> Any:
        return bench.circuit.call_sync(http.Response, 200)

    guarded: Any = bench.breaker.transport(
        http.MockTransport(inner if half == "async" else inner_sync), KEY
    )
    request = http.Request("GET", URL)
    if half == "async":
        await guarded.handle_async_request(request)
    else:
        guarded.handle_request(request)

    assert bench.circuit.stats().successes == 1, "one permit, one verdict"
    assert bench.circuit.stats().rejected == 0


async def test_a_transport_inside_a_guarded_call_shares_its_probe(
    make_caller: MakeCaller, upstream: Upstream, http: ModuleType
) -> None:
    bench = Bench(probing=True)
    caller = make_caller(bench)

    async def fetch_twice() -> None:
        with pytest.raises(http.UnsupportedProtocol):  # not counted: still a probe
            await caller.get("ftp://upstream/")
        await caller.get(f"{upstream.url}/status/200")

    await bench.circuit.call(fetch_twice)

    assert bench.circuit.stats().successes == 1
    assert bench.circuit.stats().rejected == 0


async def test_a_response_that_is_neither_read_nor_closed_costs_a_place_only_for_its_time(
    http: ModuleType,
) -> None:
    config = CircuitConfig(half_open_max_calls=1, half_open_timeout=5.0)
    bench = Bench(probing=True, config=config)
    guarded: Any = bench.breaker.transport(
        http.MockTransport(lambda _: http.Response(200, stream=BothWays(http).stream)), KEY
    )
    guarded.handle_request(http.Request("GET", URL))

    with pytest.raises(CircuitOpenError):
        guarded.handle_request(http.Request("GET", URL))
    bench.clock.advance(5.0)

    assert guarded.handle_request(http.Request("GET", URL)).status_code == 200


async def test_a_failing_probe_opens_the_circuit_again(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    bench = Bench(probing=True)
    caller = make_caller(bench)

    await caller.get(f"{upstream.url}/status/500")

    with pytest.raises(CircuitOpenError) as caught:
        await caller.get(f"{upstream.url}/status/200")
    assert caught.value.retry_after == bench.config.recovery_timeout
