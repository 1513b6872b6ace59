"""The body's way to its end, read and closed directly: first thing counts, and only once."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker.core.states import Outcome
from tests.client.bench import KEY, Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import ModuleType


class Chunks:
    """A body that notes how it is treated; it yields an exception by raising it."""

    def __init__(self, *parts: bytes | BaseException) -> None:
        self.parts = parts
        self.closed = 0
        self.generators_closed = 0

    def read(self) -> Iterator[bytes]:
        try:
            for part in self.parts:
                if isinstance(part, BaseException):
                    raise part
                yield part
        finally:
            self.generators_closed += 1


def stream_of(http: ModuleType, chunks: Chunks) -> Any:
    class Both(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[bytes]:
            yield from chunks.read()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            reader = chunks.read()
            try:
                for part in reader:
                    yield part
            finally:
                reader.close()  # type: ignore[attr-defined] # it is a generator

        def close(self) -> None:
            chunks.closed += 1

        async def aclose(self) -> None:
            chunks.closed += 1

    return Both()


class Reader:
    """Reads and closes the stream of a guarded response, sync or async."""

    def __init__(self, half: str, stream: Any) -> None:
        self.half = half
        self.stream = stream
        self.reader: Any = None

    async def next(self) -> Any:
        """Return the next chunk; None at the end."""
        if self.half == "async":
            self.reader = self.reader or self.stream.__aiter__()
            return await anext(self.reader, None)
        self.reader = self.reader or iter(self.stream)
        return next(self.reader, None)

    async def drop(self) -> None:
        """Close the reader, and not the stream."""
        if self.half == "async":
            await self.reader.aclose()
        else:
            self.reader.close()

    async def close(self) -> None:
        if self.half == "async":
            await self.stream.aclose()
        else:
            self.stream.close()


async def open_body(bench: Bench, http: ModuleType, half: str, chunks: Chunks) -> Reader:
    inner = http.MockTransport(lambda _: http.Response(200, stream=stream_of(http, chunks)))
    guarded: Any = bench.breaker.transport(inner, KEY)
    request = http.Request("GET", "http://upstream/")
    if half == "async":
        return Reader(half, (await guarded.handle_async_request(request)).stream)
    return Reader(half, guarded.handle_request(request).stream)


async def test_the_end_of_the_body_is_a_success_before_anything_is_closed(
    bench: Bench, http: ModuleType, half: str
) -> None:
    body = await open_body(bench, http, half, Chunks(b"a", b"b"))

    assert [await body.next() for _ in range(3)] == [b"a", b"b", None]

    assert bench.outcome() is Outcome.SUCCESS


async def test_nothing_is_judged_between_head_and_end(http: ModuleType, half: str) -> None:
    bench = Bench(probing=True)
    body = await open_body(bench, http, half, Chunks(b"a", b"b"))
    await body.next()

    assert bench.circuit.stats().successes == 0
    assert bench.circuit.stats().retry_after > 0.0, "the probe's place is free already"

    await body.close()
    assert bench.outcome() is Outcome.SUCCESS


async def test_an_empty_body_is_a_success_at_its_end(
    bench: Bench, http: ModuleType, half: str
) -> None:
    body = await open_body(bench, http, half, Chunks())

    assert await body.next() is None

    assert bench.outcome() is Outcome.SUCCESS


async def test_closing_before_the_first_chunk_is_a_success(
    bench: Bench, http: ModuleType, half: str
) -> None:
    chunks = Chunks(b"a")
    body = await open_body(bench, http, half, chunks)

    await body.close()

    assert bench.outcome() is Outcome.SUCCESS
    assert chunks.closed == 1


async def test_a_reader_that_is_dropped_after_a_chunk_is_a_success(
    bench: Bench, http: ModuleType, half: str
) -> None:
    chunks = Chunks(b"a", b"b")
    body = await open_body(bench, http, half, chunks)
    await body.next()

    await body.drop()

    assert bench.outcome() is Outcome.SUCCESS
    assert chunks.generators_closed == 1, "the inner reader is left to the garbage collector"


def test_a_reader_that_is_forgotten_after_a_chunk_is_a_success(
    bench: Bench, http: ModuleType
) -> None:
    inner = http.MockTransport(
        lambda _: http.Response(200, stream=stream_of(http, Chunks(b"a", b"b")))
    )
    guarded: Any = bench.breaker.transport(inner, KEY)
    response = guarded.handle_request(http.Request("GET", "http://upstream/"))
    for _ in response.stream:
        break
    gc.collect()

    assert bench.outcome() is Outcome.SUCCESS


@pytest.mark.parametrize("before", [0, 1])
async def test_an_error_in_the_body_is_one_failure_whatever_follows(
    bench: Bench, http: ModuleType, half: str, before: int
) -> None:
    body = await open_body(bench, http, half, Chunks(*[b"a"] * before, http.ReadError("gone")))
    for _ in range(before):
        await body.next()

    with pytest.raises(http.ReadError):
        await body.next()
    await body.close()
    await body.close()

    assert bench.outcome() is Outcome.FAILURE


async def test_what_follows_a_success_is_not_judged(
    bench: Bench, http: ModuleType, half: str
) -> None:
    chunks = Chunks(b"a", http.ReadError("gone"))
    body = await open_body(bench, http, half, chunks)
    await body.next()
    await body.close()

    with pytest.raises(http.ReadError):
        await body.next()

    assert bench.outcome() is Outcome.SUCCESS
    assert chunks.closed == 1


async def test_the_callers_own_fault_in_the_body_is_no_verdict(
    bench: Bench, http: ModuleType, half: str
) -> None:
    body = await open_body(bench, http, half, Chunks(b"a", http.LocalProtocolError("ours")))
    await body.next()

    with pytest.raises(http.LocalProtocolError):
        await body.next()

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_an_interrupt_in_the_body_is_no_verdict(
    bench: Bench, http: ModuleType, half: str
) -> None:
    body = await open_body(bench, http, half, Chunks(b"a", KeyboardInterrupt()))
    await body.next()

    with pytest.raises(KeyboardInterrupt):
        await body.next()

    assert bench.outcome() is Outcome.NOT_COUNTED


async def test_closing_settles_even_if_closing_fails(http: ModuleType, half: str) -> None:
    bench = Bench(probing=True)

    class Stubborn(http.SyncByteStream, http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def close(self) -> None:
            raise http.CloseError("stubborn")

        async def aclose(self) -> None:
            self.close()

    inner = http.MockTransport(lambda _: http.Response(200, stream=Stubborn()))
    guarded: Any = bench.breaker.transport(inner, KEY)
    request = http.Request("GET", "http://upstream/")
    response = (
        await guarded.handle_async_request(request)
        if half == "async"
        else guarded.handle_request(request)
    )

    with pytest.raises(http.CloseError):
        await Reader(half, response.stream).close()

    assert bench.outcome() is Outcome.SUCCESS


async def test_a_failing_response_is_handed_on_untouched(http: ModuleType, half: str) -> None:
    stream = stream_of(http, Chunks(b"a"))
    bench = Bench(probing=False)
    guarded: Any = bench.breaker.transport(
        http.MockTransport(lambda _: http.Response(503, stream=stream)), KEY
    )
    request = http.Request("GET", "http://upstream/")
    if half == "async":
        response = await guarded.handle_async_request(request)
    else:
        response = guarded.handle_request(request)

    assert response.stream is stream
    assert bench.outcome() is Outcome.FAILURE


async def test_a_body_whose_reader_is_no_generator(bench: Bench, http: ModuleType) -> None:
    class Plain(http.AsyncByteStream):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.left = [b"a", b"b"]

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    inner = http.MockTransport(lambda _: http.Response(200, stream=Plain()))
    async with http.AsyncClient(transport=bench.breaker.transport(inner, KEY)) as client:
        response = await client.get("http://upstream/")

    assert response.content == b"ab"
    assert bench.outcome() is Outcome.SUCCESS


def test_the_watching_stream_has_the_halves_of_the_one_it_stands_for(http: ModuleType) -> None:
    bench = Bench(probing=False)

    class SyncOnly(http.SyncByteStream):  # type: ignore[misc, name-defined]
        pass

    guarded: Any = bench.breaker.transport(
        http.MockTransport(lambda _: http.Response(200, stream=SyncOnly())), KEY
    )
    stream = guarded.handle_request(http.Request("GET", "http://upstream/")).stream

    assert isinstance(stream, http.SyncByteStream)
    assert not isinstance(stream, http.AsyncByteStream)
    assert not hasattr(stream, "__aiter__")
