"""How readers of the live events come, come back, lag and go, over real connections."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

import httpx2
import pytest

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.web.events import broadcast, stream
from fastapi_hybrid_breaker.web.events.channel import Channel
from fastapi_hybrid_breaker.web.events.feed import Feed
from tests import inside
from tests.fleet.instances import fail, until
from tests.patience import PATIENCE
from tests.web.servers import uvicorn_serving

from .channels import characters_in, keep_at_most, keep_at_most_characters, readers_of
from .reader import reading
from .serving import CONFIG, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

KEY = "inventory-api"


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> list[Channel]:
    """The channels that are made from now on."""
    made = []

    def make() -> Channel:
        made.append(Channel())
        return made[-1]

    monkeypatch.setattr(broadcast, "Channel", make)
    return made


async def test_who_comes_back_goes_on_after_the_last_event() -> None:
    async with served() as (breaker, port):
        async with reading(port) as reader:
            await reader.next()
            await fail(breaker, KEY)
            seen = await reader.until("circuit", state="OPEN")
        await breaker.reset(KEY)
        await fail(breaker, "other")
        async with reading(port, seen.id) as reader:
            one = await reader.next()
            other = await reader.until("circuit", key="other")
    assert (one.name, one.data["circuit"]["state"]) == ("circuit", "CLOSED")
    assert other.data["circuit"]["state"] == "OPEN"


async def test_who_comes_back_after_a_snapshot_alone_goes_on_too() -> None:
    async with served() as (breaker, port):
        async with reading(port) as reader:
            snapshot = await reader.next()
        await fail(breaker, KEY)
        async with reading(port, snapshot.id) as reader:
            event = await reader.next()
    assert event.name == "circuit"


@pytest.mark.parametrize("strange", ["", "7", "00000000-0", "00000000-\u0663", "x" * 9, "-", "-1"])
async def test_an_event_that_nobody_knows_begins_anew(strange: str) -> None:
    async with served() as (_, port), reading(port), httpx2.AsyncClient(timeout=PATIENCE) as client:
        headers = {"Last-Event-ID": strange.encode()}
        url = f"http://127.0.0.1:{port}/circuits/-/events"
        async with client.stream("GET", url, headers=headers) as response:
            assert (await anext(response.aiter_lines())) == "event: snapshot"


async def test_an_event_too_long_ago_begins_anew(channels: list[Channel]) -> None:
    async with served() as (breaker, port), reading(port) as reader:
        snapshot = await reader.next()
        for _ in range(5):
            await fail(breaker, KEY)
            await reader.until("circuit", state="OPEN")
            await breaker.reset(KEY)
            await reader.until("circuit", state="CLOSED")
        keep_at_most(channels[0], 5)
        await fail(breaker, KEY)
        await reader.until("circuit", state="OPEN")
        async with reading(port, snapshot.id) as late:
            assert (await late.next()).name == "snapshot"


async def test_silence_is_broken_by_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    # Figures are looked at more often than that, as in truth.
    monkeypatch.setattr(broadcast, "EVERY", 0.01)
    monkeypatch.setattr("fastapi_hybrid_breaker.web.events.channel.PING_EVERY", 0.1)
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        waiting = asyncio.create_task(reader.until("circuit", state="OPEN"))
        await until(lambda: reader.pings > 3)
        await fail(breaker, KEY)
        await waiting


async def test_two_hundred_readers_see_a_change() -> None:
    async with served() as (breaker, port), AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(reading(port)) for _ in range(200)]
        for reader in readers:
            assert (await reader.next()).name == "snapshot"
        await fail(breaker, KEY)
        seen = await asyncio.gather(*(one.until("circuit", state="OPEN") for one in readers))
        assert len({event.id for event in seen}) == 1


async def test_more_changes_at_once_than_are_kept_begin_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "_MOST_CHANGES", 10)
    async with served() as (breaker, port), reading(port) as reader:
        snapshot = await reader.next()
        for number in range(11):
            inside.open_here(breaker.circuit(f"k{number}"), 60.0)
        with pytest.raises(StopAsyncIteration):
            while True:
                await reader.next()
        async with reading(port, snapshot.id) as again:
            event = await again.next()
    assert event.name == "snapshot"
    assert [row["state"] for row in event.data["circuits"]] == ["OPEN"] * 11


async def test_without_readers_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "EVERY", 0.02)
    monkeypatch.setattr(broadcast, "LINGER", 0.05)
    monkeypatch.setattr("fastapi_hybrid_breaker.web.events.channel.PING_EVERY", 0.02)
    async with served() as (breaker, port):
        for _ in range(2):
            assert not inside.changes_of(breaker)
            async with reading(port) as reader:
                await reader.next()
                assert len(inside.changes_of(breaker)) == 1
            await until(lambda: not inside.changes_of(breaker))
        assert not [one for one in asyncio.all_tasks() if "Broadcast" in repr(one.get_coro())]


def test_a_loop_that_was_closed_by_hand_leaves_no_listener() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    feed = Feed(breaker)

    async def begin() -> AsyncGenerator[bytes]:
        events = feed.read()
        assert b"snapshot" in await anext(events)
        return events

    loop = asyncio.new_event_loop()
    events = loop.run_until_complete(begin())
    assert len(inside.changes_of(breaker)) == 1
    unfinished = asyncio.all_tasks(loop)
    loop.close()
    inside.open_here(breaker.circuit(KEY), 60.0)
    assert not inside.changes_of(breaker)
    assert asyncio.run(begin())  # who comes on another loop is told as ever
    for task in unfinished:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        task.get_coro().close()  # type: ignore[union-attr] - here, not when Python ends
    del events


async def test_a_reader_that_takes_nothing_is_dropped_and_holds_up_nobody(
    channels: list[Channel], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "SEND_WITHIN", 0.3)
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        circuit = breaker.circuit(KEY)
        with socket.create_connection(("127.0.0.1", port)) as stuck:
            stuck.sendall(b"GET /circuits/-/events HTTP/1.1\r\nHost: test\r\n\r\n")
            (channel,) = channels
            await until(lambda: readers_of(channel) == 2)
            keep_at_most_characters(channel, 100_000)
            told = 0
            while readers_of(channel) == 2:  # more than sockets and buffers take
                inside.open_here(circuit, 60.0)
                inside.reset_here(circuit)
                told += 2
                await reader.until("circuit", state="CLOSED")
                channel.add("figures", json.dumps({"at": 0, "circuits": ["x" * 50_000]}))
                channel.wake()
                await reader.until("figures")
                assert characters_in(channel) <= 100_000
        assert "too slow" in caplog.text
        await fail(breaker, KEY)
        await reader.until("circuit", state="OPEN")


async def test_a_reader_too_far_behind_is_ended(channels: list[Channel]) -> None:
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        keep_at_most(channels[0], 3)
        for number in range(9):  # all before its next turn
            inside.open_here(breaker.circuit(f"k{number}"), 60.0)
        with pytest.raises(StopAsyncIteration):
            await reader.until("circuit", key="never")
        async with reading(port) as again:
            assert len((await again.next()).data["circuits"]) == 9


async def test_a_server_need_not_wait_for_the_pause_after_a_long_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "_BUSY_SHARE", 10**9)
    monkeypatch.setattr(broadcast, "EVERY", 0.01)
    async with AsyncExitStack() as stack:  # the reader leaves after the server
        async with served() as (breaker, port):
            reader = await stack.enter_async_context(reading(port))
            await reader.next()
            breaker.circuit(KEY)
            await reader.until("figures")  # a look, and its pause begins


async def test_readers_that_come_at_once_share_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.web.events.channel.SNAPSHOT_FOR", 3600.0)
    channel, made = Channel(), []
    channel.open()

    def make() -> list[str]:
        made.append(len(made))
        return ["{", "}"]

    async def first() -> bytes:
        async with aclosing(channel.read(None, make)) as events:
            read = b""
            while not read.endswith(b"\n\n"):
                read += await anext(events)
            return read

    assert len({await first() for _ in range(3)}) == 1
    assert made == [0]
    channel.add("figures", "{}")  # what was made before does not know of it
    await first()
    assert made == [0, 1]


def test_a_server_that_is_told_to_end_ends_the_streams() -> None:
    said: list[tuple[int, str]] = []
    request = b"GET /circuits/-/events HTTP/1.1\r\nHost: test\r\n\r\n"
    with socket.socket() as connection:  # longer than the server, which must not wait for it
        with uvicorn_serving("tests.fleet.served:app", lambda *end: said.append(end)) as port:
            connection.settimeout(PATIENCE)
            connection.connect(("127.0.0.1", port))
            connection.sendall(request)
            with connection.makefile("rb") as answer:
                assert any(line == b"event: snapshot\n" for line in answer)
    ((_, log),) = said
    assert "Finished server process" in log
    assert "Traceback" not in log
