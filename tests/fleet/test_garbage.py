"""Servers that speak another language, and addresses that cannot be one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.sentinel import Sentinel

from fastapi_hybrid_breaker import HybridBreaker

from .instances import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Answer = Callable[[list[bytes]], bytes]


async def read_command(reader: asyncio.StreamReader) -> list[bytes]:
    words = []
    for _ in range(int((await reader.readline())[1:])):
        length = int((await reader.readline())[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


@contextlib.asynccontextmanager
async def impostor(answer: Answer) -> AsyncIterator[str]:
    """A server that answers each command by ``answer``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            while True:
                writer.write(answer(await read_command(reader)))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "answer",
    [
        b":abc\r\n",
        b"$abc\r\n",
        b"*xyz\r\n",
        b":+" + b"9" * 6_000 + b"\r\n",
        b"*1\r\n" * 5_000 + b":1\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
    ids=["number", "length", "count", "digits", "depth", "http"],
)
async def test_server_that_does_not_speak_redis_is_unreachable_and_no_internal_error(
    answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with impostor(lambda _: answer) as url, HybridBreaker(redis=url) as breaker:
        await until(lambda: "is unreachable" in (breaker.sync_status().error or ""))
    assert "internal error" not in caplog.text


@pytest.mark.parametrize(
    "make",
    [
        lambda: Redis(host="redis..svc"),
        lambda: Redis(host=f"{'a' * 70}.example"),
        lambda: Sentinel([]).master_for("mymaster"),  # type: ignore[no-untyped-call]
    ],
    ids=["empty label", "long label", "no sentinels"],
)
async def test_address_that_cannot_be_one_is_unreachable_and_no_internal_error(
    make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with HybridBreaker(redis=make()) as breaker:
        await until(lambda: "is unreachable" in (breaker.sync_status().error or ""))
    assert "internal error" not in caplog.text


async def test_message_of_a_channel_that_nobody_subscribed_to_is_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def message(channel: bytes) -> bytes:
        return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$1\r\nx\r\n" % (len(channel), channel)

    def answer(words: list[bytes]) -> bytes:
        if words[0] != b"SUBSCRIBE":
            return b"+OK\r\n"
        consents = [
            b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%b\r\n:%d\r\n" % (len(one), one, at)
            for at, one in enumerate(words[1:], start=1)
        ]
        return b"".join(consents) + message(b"else") + message(words[1])

    async with impostor(answer) as url, HybridBreaker(redis=url) as breaker:
        await until(lambda: breaker.sync_status().dropped, "the message after it is heard")
    assert "internal error" not in caplog.text
