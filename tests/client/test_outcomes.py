"""Each row of the table of outcomes, over real connections."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig
from fastapi_hybrid_breaker.core.states import Outcome
from tests.client.bench import Bench
from tests.client.conftest import real_transport
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.client.callers import Caller
    from tests.client.upstream import Upstream

    MakeCaller = Callable[..., Caller]

SHORT = 0.05
"""Seconds; a time-out that is meant to pass."""


def read_within(http: ModuleType, seconds: float) -> Any:
    return http.Timeout(PATIENCE, read=seconds)


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 404, 422])
async def test_a_good_status_read_to_its_end_is_a_success(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, status: int
) -> None:
    response = await make_caller(bench).get(f"{upstream.url}/status/{status}")

    assert response.status_code == status
    assert bench.outcome() is Outcome.SUCCESS


@pytest.mark.parametrize("status", [429, 500, 502, 503, 599])
async def test_a_failing_status_is_a_failure(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, status: int
) -> None:
    response = await make_caller(bench).get(f"{upstream.url}/status/{status}")

    assert response.text == "hello"
    assert bench.outcome() is Outcome.FAILURE


async def test_a_failing_status_counts_when_the_head_arrives_even_if_the_body_is_left(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    await make_caller(bench).look(f"{upstream.url}/status/503", chunks=0)

    assert bench.outcome() is Outcome.FAILURE


async def test_failure_statuses_of_the_configuration_change_the_table(
    make_caller: MakeCaller, upstream: Upstream
) -> None:
    config = CircuitConfig(failure_threshold=100, failure_statuses=frozenset({404}))
    bench = Bench(probing=False, config=config)
    caller = make_caller(bench)

    await caller.get(f"{upstream.url}/status/404")
    assert bench.outcome() is Outcome.FAILURE
    await caller.get(f"{upstream.url}/status/503")
    assert bench.outcome() is Outcome.SUCCESS


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_a_response_without_a_body_is_a_success_also_unread(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, method: str, status: int
) -> None:
    await make_caller(bench).look(f"{upstream.url}/status/{status}", chunks=0, method=method)

    assert bench.outcome() is Outcome.SUCCESS


async def test_an_empty_body_read_to_its_end_is_a_success(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    response = await make_caller(bench).get(f"{upstream.url}/status/200", method="HEAD")

    assert response.content == b""
    assert bench.outcome() is Outcome.SUCCESS


async def test_a_good_body_left_after_a_chunk_is_a_success(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    await make_caller(bench).look(f"{upstream.url}/body-waits", chunks=1)

    assert bench.outcome() is Outcome.SUCCESS


@pytest.mark.parametrize("path", ["status/200", "body-never"])
async def test_a_good_body_left_before_its_first_chunk_is_a_success(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, path: str
) -> None:
    await make_caller(bench).look(f"{upstream.url}/{path}", chunks=0)

    assert bench.outcome() is Outcome.SUCCESS


@pytest.mark.parametrize("path", ["hangs-up", "garbage"])
async def test_a_server_that_gives_no_response_is_a_failure(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, path: str
) -> None:
    with pytest.raises(http.RemoteProtocolError):
        await make_caller(bench).get(f"{upstream.url}/{path}")

    assert bench.outcome() is Outcome.FAILURE


async def test_a_refused_connection_is_a_failure(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else gets the port
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(http.ConnectError):
            await make_caller(bench).get(f"http://127.0.0.1:{bound.getsockname()[1]}/")

    assert bench.outcome() is Outcome.FAILURE


async def test_a_time_out_before_the_head_is_a_failure(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType
) -> None:
    with pytest.raises(http.ReadTimeout):
        await make_caller(bench).get(f"{upstream.url}/head-waits", timeout=read_within(http, SHORT))

    assert bench.outcome() is Outcome.FAILURE


@pytest.mark.parametrize("path", ["body-waits", "body-never"])
async def test_a_time_out_in_the_body_is_a_failure(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, path: str
) -> None:
    with pytest.raises(http.ReadTimeout):
        await make_caller(bench).get(f"{upstream.url}/{path}", timeout=read_within(http, SHORT))

    assert bench.outcome() is Outcome.FAILURE


async def test_a_body_that_breaks_off_half_way_is_one_failure(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType
) -> None:
    with pytest.raises(http.RemoteProtocolError):
        await make_caller(bench).get(f"{upstream.url}/body-breaks")

    assert bench.outcome() is Outcome.FAILURE


async def test_a_full_pool_is_no_verdict(
    make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str
) -> None:
    bench = Bench(probing=False)
    limits = http.Limits(max_connections=1)
    caller = make_caller(bench, real_transport(http, half, limits=limits))
    first = asyncio.create_task(caller.get(f"{upstream.url}/head-waits"))
    await asyncio.to_thread(upstream.wait_for_requests, 1)

    with pytest.raises(http.PoolTimeout):
        await caller.get(f"{upstream.url}/status/200", timeout=http.Timeout(PATIENCE, pool=SHORT))
    assert bench.outcome() is Outcome.NOT_COUNTED

    upstream.release.set()
    await first
    assert bench.outcome() is Outcome.SUCCESS


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "//127.0.0.1/", "/no/host"])
async def test_an_unsupported_protocol_is_no_verdict(
    bench: Bench, make_caller: MakeCaller, http: ModuleType, url: str
) -> None:
    with pytest.raises(http.UnsupportedProtocol):
        await make_caller(bench).get(url)

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_a_request_that_breaks_the_protocol_is_no_verdict(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType
) -> None:
    with pytest.raises(http.LocalProtocolError):
        await make_caller(bench).get(f"{upstream.url}/status/200", headers={"X": "a\nb"})

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_a_request_body_shorter_than_its_length_is_no_verdict(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    # The library beneath raises its own error here, of a class that httpx does not know.
    with pytest.raises(Exception, match="Too little data") as caught:
        await make_caller(bench).get(
            f"{upstream.url}/status/200",
            method="POST",
            content=b"five!",
            headers={"Content-Length": "10"},
        )

    assert type(caught.value).__name__ == "LocalProtocolError"
    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_ignored_exceptions_are_no_verdict(
    make_caller: MakeCaller, upstream: Upstream, http: ModuleType
) -> None:
    config = CircuitConfig(failure_threshold=100, ignored_exceptions=(http.ReadTimeout,))
    bench = Bench(probing=False, config=config)

    with pytest.raises(http.ReadTimeout):
        await make_caller(bench).get(f"{upstream.url}/body-waits", timeout=read_within(http, SHORT))

    assert bench.outcome() is Outcome.NOT_COUNTED


@pytest.mark.parametrize("probing", [False, True])
async def test_an_exception_that_is_an_answer_is_a_success(
    make_caller: MakeCaller, upstream: Upstream, http: ModuleType, probing: bool
) -> None:
    config = CircuitConfig(
        failure_threshold=100, half_open_max_calls=1, success_exceptions=(http.ReadTimeout,)
    )
    bench = Bench(probing=probing, config=config)

    with pytest.raises(http.ReadTimeout):
        await make_caller(bench).get(f"{upstream.url}/body-waits", timeout=read_within(http, SHORT))

    assert bench.outcome() is Outcome.SUCCESS


async def test_an_error_of_the_callers_own_that_is_named_an_answer_is_a_success(
    make_caller: MakeCaller, http: ModuleType
) -> None:
    config = CircuitConfig(failure_threshold=100, success_exceptions=(http.UnsupportedProtocol,))
    bench = Bench(probing=False, config=config)

    with pytest.raises(http.UnsupportedProtocol):
        await make_caller(bench).get("ftp://127.0.0.1/")

    assert bench.outcome() is Outcome.SUCCESS


async def test_an_error_counted_by_the_transport_is_not_counted_again_by_an_outer_call(
    make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str
) -> None:
    bench = Bench(probing=False)
    client, url = make_caller(bench).client, f"{upstream.url}/body-breaks"

    with pytest.raises(http.RemoteProtocolError):
        if half == "async":
            await bench.circuit.call(client.get, url)
        else:
            await asyncio.to_thread(bench.circuit.call_sync, client.get, url)

    assert bench.outcome() is Outcome.FAILURE
