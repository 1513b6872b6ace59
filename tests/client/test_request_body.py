"""An exception raised by the body of a request is the caller's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import httpcore2
import pytest

from fastapi_hybrid_breaker.core.states import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    from tests.client.bench import Bench
    from tests.client.callers import Caller
    from tests.client.upstream import Upstream

    MakeCaller = Callable[..., Caller]


def a_body(half: str, *, error: Exception | None = None) -> Any:
    """Return an iterator of a chunk, which raises ``error`` after it."""

    async def async_body() -> AsyncIterator[bytes]:
        yield b"chunk"
        if error is not None:
            raise error

    def sync_body() -> Iterator[bytes]:
        yield b"chunk"
        if error is not None:
            raise error

    return async_body() if half == "async" else sync_body()


def errors_of(http: ModuleType) -> list[Exception]:
    core = {"httpx": httpcore, "httpx2": httpcore2}[http.__name__]
    # Errors of the libraries come from bodies that are themselves read from somewhere: they
    # look as if this call had failed, and httpx gives some of them another class.
    return [RuntimeError("no"), OSError("no"), http.ReadError("no"), core.ReadTimeout("no")]


@pytest.mark.parametrize("at", range(4))
async def test_an_exception_from_the_request_body_is_no_verdict(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str, at: int
) -> None:
    error = errors_of(http)[at]
    with pytest.raises(Exception, match="no") as caught:
        await make_caller(bench).get(
            f"{upstream.url}/status/200", method="POST", content=a_body(half, error=error)
        )

    assert error in (caught.value, caught.value.__cause__)
    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_a_body_that_can_be_sent_once_and_is_redirected_is_no_verdict_on_the_second_host(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str
) -> None:
    caller = make_caller(bench, circuit=lambda request: request.url.path.split("/")[1])

    with pytest.raises(http.StreamConsumed):
        await caller.get(
            f"{upstream.url}/redirects",
            method="POST",
            content=a_body(half),
            follow_redirects=True,
        )

    assert bench.breaker.stats("status").failures == 0


async def test_a_streamed_body_arrives_and_its_request_gets_its_stream_back(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str
) -> None:
    caller = make_caller(bench)
    content = a_body(half)

    response = await caller.get(f"{upstream.url}/status/200", method="POST", content=content)

    assert response.text == "hello"
    assert type(response.request.stream).__module__.startswith(http.__name__)
    assert bench.outcome() is Outcome.SUCCESS


async def test_a_failing_response_to_a_streamed_body_is_a_failure(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, half: str
) -> None:
    await make_caller(bench).get(f"{upstream.url}/status/500", method="POST", content=a_body(half))

    assert bench.outcome() is Outcome.FAILURE


async def test_a_dead_server_is_a_failure_also_with_a_streamed_body(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str
) -> None:
    with pytest.raises(http.RemoteProtocolError):
        await make_caller(bench).get(
            f"{upstream.url}/hangs-up", method="POST", content=a_body(half)
        )

    assert bench.outcome() is Outcome.FAILURE


async def test_a_body_of_files_is_sent_as_it_is(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream
) -> None:
    response = await make_caller(bench).get(
        f"{upstream.url}/status/200", method="POST", files={"file": b"content"}
    )

    assert response.text == "hello"
    assert bench.outcome() is Outcome.SUCCESS


async def test_a_body_of_bytes_is_not_watched(
    bench: Bench, make_caller: MakeCaller, http: ModuleType
) -> None:
    seen = []

    def answer(request: Any) -> Any:
        seen.append(type(request.stream))
        return http.Response(200)

    caller = make_caller(bench, http.MockTransport(answer))
    await caller.get("http://upstream/")
    await caller.get("http://upstream/", method="POST", json={"a": 1})

    assert seen == [http.ByteStream, http.ByteStream]


async def test_a_body_class_of_the_users_own_is_watched_whatever_its_name(
    bench: Bench, make_caller: MakeCaller, upstream: Upstream, http: ModuleType, half: str
) -> None:
    class ByteStream(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            yield b"chunk"
            raise OSError("no")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self:
                yield chunk

    caller = make_caller(bench)
    request = http.Request(
        "POST",
        f"{upstream.url}/status/200",
        stream=ByteStream(),
        headers={"Host": "upstream", "Content-Length": "9"},
    )

    with pytest.raises(OSError, match="no"):
        await caller.send(request)

    assert bench.outcome() is Outcome.NOT_COUNTED
