"""Readers of thousands of circuits: they get everything, and hold up nobody else."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.web.events import broadcast
from fastapi_hybrid_breaker.web.events.channel import Channel
from fastapi_hybrid_breaker.web.events.feed import Feed
from fastapi_hybrid_breaker.web.events.pieces import Pieces
from tests import inside
from tests.fleet.instances import until
from tests.turns import Turns

from .reader import reading
from .serving import CONFIG, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

AT_ONCE = 50
KEYS = [f"host-{number:04}" for number in range(1_203)]
LARGEST = 100_000
"""Bytes of one piece: 50 rows, each with a chart's changes."""


async def read_event(events: AsyncGenerator[bytes]) -> tuple[dict[str, str], list[bytes]]:
    """Return the fields of the next event, and the pieces in which it came."""
    pieces: list[bytes] = []
    while not pieces or not pieces[-1].endswith(b"\n\n"):
        pieces.append(await anext(events))
    lines = b"".join(pieces).decode().splitlines()
    return dict(line.split(": ", 1) for line in lines if line), pieces


@pytest.mark.parametrize("number", [0, 1, 49, 50, 51, 100, 1_203])
async def test_a_snapshot_is_one_event_in_pieces(number: int) -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    for key in KEYS[:number]:
        breaker.circuit(key)
    async with aclosing(Feed(breaker).read()) as events:
        fields, pieces = await read_event(events)
    assert list(fields) == ["event", "data", "id"]
    assert [row["key"] for row in json.loads(fields["data"])["circuits"]] == KEYS[:number]
    assert len(pieces) == max(1, -(-number // AT_ONCE))
    assert max(map(len, pieces)) < LARGEST


async def test_a_first_load_holds_up_others_for_50_circuits_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served() as (breaker, port):
        for key in KEYS:
            breaker.circuit(key)
        turns = Turns(monkeypatch)
        turns.count(broadcast, "row_of")
        turns.count(Pieces, "at", "piece")
        async with reading(port) as reader:
            snapshot = await reader.next()
            assert len(snapshot.data["circuits"]) == len(KEYS)
            assert turns.most("row_of") <= AT_ONCE
            assert turns.most("piece") == 1
            await breaker.override(KEYS[7], "forced_open", by="ann", reason="x", seconds=60)
            await reader.until("circuit", key=KEYS[7])  # it goes on after it


async def test_many_readers_who_come_at_once_get_the_same_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fastapi_hybrid_breaker.web.events.channel.SNAPSHOT_FOR", 3600.0)
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    for key in KEYS[:120]:
        breaker.circuit(key)
    feed = Feed(breaker)
    async with aclosing(feed.read()) as first, aclosing(feed.read()) as second:
        begun = await anext(first)
        _, others = await read_event(second)  # further on than the one who began it
        assert others[0] is begun
        assert [await anext(first), await anext(first)] == others[1:]


async def test_a_change_while_a_snapshot_is_sent_comes_after_it() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)
    for key in KEYS[:120]:
        breaker.circuit(key)
    async with aclosing(Feed(breaker).read()) as events:
        pieces = [await anext(events)]
        inside.open_here(breaker.circuit(KEYS[119]), 60.0)
        while not pieces[-1].endswith(b"\n\n"):
            pieces.append(await anext(events))
        rows = json.loads(b"".join(pieces).decode().splitlines()[1].removeprefix("data: "))
        assert rows["circuits"][119]["state"] == "CLOSED"  # all of one moment
        fields, _ = await read_event(events)
    assert fields["event"] == "circuit"
    assert json.loads(fields["data"])["circuit"]["key"] == KEYS[119]


async def test_figures_of_many_circuits_come_in_events_of_50_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "EVERY", 0.02)
    async with served() as (breaker, port), reading(port) as reader:
        await reader.next()
        turns = Turns(monkeypatch)
        turns.count(broadcast, "row_of")
        for key in KEYS:
            breaker.circuit(key)
        told: list[str] = []
        while len(told) < len(KEYS):
            rows = (await reader.until("figures")).data["circuits"]
            assert len(rows) <= AT_ONCE
            told += [row["key"] for row in rows]
        assert sorted(told) == KEYS
        assert turns.most("row_of") <= AT_ONCE


async def test_circuits_can_be_evicted_while_the_figures_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG, max_circuits=500)
    for key in KEYS[:500]:
        breaker.circuit(key)
    turns = Turns(monkeypatch)
    turns.count(broadcast, "row_of")
    feed = Feed(breaker)
    events: Any = feed.read()
    first = asyncio.ensure_future(anext(events))
    await until(lambda: 0 < turns.total("row_of") < 500)
    for number in range(100):
        breaker.circuit(f"new-{number}")
    assert inside.registry_of(breaker).overflow is None
    assert b"snapshot" in await first
    await events.aclose()


async def test_a_snapshot_is_not_gone_on_with_when_the_stream_has_ended() -> None:
    channel = Channel()
    channel.open()
    async with aclosing(channel.read(None, lambda: ["{", "}"])) as events:
        assert (await anext(events)).startswith(b"event: snapshot")
        channel.close()
        with pytest.raises(StopAsyncIteration):
            await anext(events)
