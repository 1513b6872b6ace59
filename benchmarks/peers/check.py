"""Does each adapter do what is measured: call when closed, reject when open, probe in between?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .adapter import MANY, SHORT, Setting

if TYPE_CHECKING:
    from .adapter import Adapter, AsyncCall, Rule, Ways

_ENOUGH = 60
"""Failures after which every breaker that is to open is open."""

_PATIENCE = 5.0
"""Seconds; a peer that asks Redis once a second needs some."""

_PROBES = 200
"""Probes in a row that must all run, as fast as they come."""


class AdapterError(Exception):
    """An adapter does not do what would be measured."""


class TroubleError(Exception):
    """What a failing call raises."""


class Upstream:
    """What is called: well or not, and counted."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False

    async def __call__(self, value: int) -> int:
        return self.answer(value)

    def answer(self, value: int) -> int:
        self.calls += 1
        if self.fails:
            raise TroubleError
        return value


async def check(adapter: Adapter) -> None:
    """Try every way and every state of an adapter, in memory.

    Raises:
        AdapterError: it does not do what it should.
    """
    for rule in adapter.rules:
        setting = Setting(rule=rule)
        for way in guards(await adapter.make(setting), Upstream()):
            # A breaker for each way: what one way learns another may know.
            upstream = Upstream()
            guarded = guards(await adapter.make(setting), upstream)[way]
            what = f"{adapter.name}, {rule}, {way}"
            await _check_closed(guarded, upstream, what)
            await drive_to_open(guarded, upstream, adapter)
            await _check_open(guarded, upstream, adapter, what)
        await _check_never_opening(adapter, rule)
    if adapter.probing is not None and adapter.rules:
        await _check_probing(adapter, Setting())


def guards(ways: Ways, upstream: Upstream) -> dict[str, AsyncCall]:
    """Return the upstream guarded in each way that there is."""

    async def coroutine(value: int) -> int:
        return await upstream(value)

    def function(value: int) -> int:
        return upstream.answer(value)

    found: dict[str, AsyncCall] = {}
    call, block, call_sync = ways.call, ways.block, ways.call_sync
    if call is not None:
        found["call"] = lambda value: call(coroutine, value)
    if ways.decorate is not None:
        found["decorator"] = ways.decorate(coroutine)
    if block is not None:

        async def in_block(value: int) -> int:
            async with block():
                return await coroutine(value)

        found["async with"] = in_block
    if call_sync is not None:
        found["sync call"] = _awaitable(lambda value: call_sync(function, value))
    if ways.decorate_sync is not None:
        found["sync decorator"] = _awaitable(ways.decorate_sync(function))
    return found


async def drive_to_open(guarded: AsyncCall, upstream: Upstream, adapter: Adapter) -> None:
    """Let calls fail until one is rejected."""
    upstream.fails = True
    for _ in range(_ENOUGH):
        before = upstream.calls
        try:
            await guarded(1)
        except adapter.rejections:
            if upstream.calls == before:
                return
        except Exception:  # noqa: BLE001, S112 - some wrap the failure that opens them
            continue
    raise AdapterError(f"{adapter.name} does not open within {_ENOUGH} failures")


async def drive_to_probing(guarded: AsyncCall, upstream: Upstream, adapter: Adapter) -> None:
    """Open a breaker whose open time is next to nothing, and wait until its probes run."""
    await fail_often(guarded, upstream)
    upstream.fails = adapter.probing == "failing"
    await wait_for_a_probe(guarded, upstream)


async def wait_for_a_probe(guarded: AsyncCall, upstream: Upstream) -> None:
    """Call until a call is admitted.

    Raises:
        AdapterError: none is, for long.
    """
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        before = upstream.calls
        with contextlib.suppress(Exception):
            await guarded(1)
        if upstream.calls > before:
            return
        await asyncio.sleep(0.01)
    raise AdapterError(f"no probe runs within {_PATIENCE} seconds")


async def fail_often(guarded: AsyncCall, upstream: Upstream) -> None:
    """Let enough calls fail to open any breaker."""
    upstream.fails = True
    for _ in range(_ENOUGH):
        try:
            await guarded(1)
        except Exception:  # noqa: BLE001, S112 - the failure, or a rejection
            continue


def _awaitable(fn: Any) -> AsyncCall:
    async def call(value: int) -> Any:
        return fn(value)

    return call


async def _check_closed(guarded: AsyncCall, upstream: Upstream, what: str) -> None:
    for value in range(3):
        if await guarded(value) != value:
            raise AdapterError(f"{what}: a closed call does not give what its function gives")
    if upstream.calls != 3:
        raise AdapterError(f"{what}: 3 calls reached the function {upstream.calls} times")


async def _check_open(guarded: AsyncCall, upstream: Upstream, adapter: Adapter, what: str) -> None:
    before, upstream.fails = upstream.calls, False
    for _ in range(3):
        try:
            await guarded(1)
        except adapter.rejections:
            continue
        raise AdapterError(f"{what}: an open one does not reject")
    if upstream.calls != before:
        raise AdapterError(f"{what}: an open one calls the function all the same")


async def _check_never_opening(adapter: Adapter, rule: Rule) -> None:
    upstream = Upstream()
    ways = await adapter.make(Setting(rule=rule, trips=False))
    guarded = next(iter(guards(ways, upstream).values()))
    await fail_often(guarded, upstream)
    if upstream.calls < _ENOUGH:
        raise AdapterError(f"{adapter.name}, {rule}: opens though it must not")


async def _check_probing(adapter: Adapter, setting: Setting) -> None:
    upstream = Upstream()
    ways = await adapter.make(replace(setting, open_seconds=SHORT, successes=MANY))
    guarded = next(iter(guards(ways, upstream).values()))
    await drive_to_probing(guarded, upstream, adapter)
    for number in range(1, _PROBES):
        before = upstream.calls
        try:
            await guarded(1)
        except Exception as error:
            if not upstream.fails:
                raise AdapterError(f"{adapter.name}: probe {number} fails: {error!r}") from error
        if upstream.calls == before:
            raise AdapterError(f"{adapter.name}: probe {number} does not run")
        if ways.is_closed is not None and ways.is_closed():
            raise AdapterError(f"{adapter.name}: is closed after probe {number}")
