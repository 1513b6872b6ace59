"""The loops that are timed: one thing each, done so many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from benchmarks.peers.adapter import AsyncCall
    from benchmarks.rounds import Loop


class FailureError(Exception):
    """What a failing call raises."""


async def work(value: int) -> int:
    return value


async def fail(value: int) -> int:
    raise FailureError(value)


def work_sync(value: int) -> int:
    return value


def fail_sync(value: int) -> int:
    raise FailureError(value)


def bare() -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            await work(1)

    return loop


def bare_failure() -> Loop:
    return failing_decorated(fail)


def bare_sync() -> Loop:
    return decorated_sync(work_sync)


def called(call: AsyncCall) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            await call(work, 1)

    return loop


def decorated(guarded: AsyncCall) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            await guarded(1)

    return loop


def in_block(block: Callable[[], AbstractAsyncContextManager[Any]]) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            async with block():
                await work(1)

    return loop


def executed(execute: AsyncCall, key: str) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            await execute(key, work, 1)

    return loop


def called_sync(call: Callable[..., Any]) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            call(work_sync, 1)

    return loop


def decorated_sync(guarded: Callable[..., Any]) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            guarded(1)

    return loop


# What raises needs the caller's try; whatever is raised: a rejection, the failure, or what a
# peer makes of it.


def failing_called(call: AsyncCall, fn: AsyncCall = fail) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            try:
                await call(fn, 1)
            except Exception:  # noqa: BLE001, S112
                continue

    return loop


def failing_decorated(guarded: AsyncCall) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            try:
                await guarded(1)
            except Exception:  # noqa: BLE001, S112
                continue

    return loop


def failing_in_block(
    block: Callable[[], AbstractAsyncContextManager[Any]], fn: AsyncCall = fail
) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            try:
                async with block():
                    await fn(1)
            except Exception:  # noqa: BLE001, S112
                continue

    return loop


def failing_executed(execute: AsyncCall, key: str) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            try:
                await execute(key, fail, 1)
            except Exception:  # noqa: BLE001, S112
                continue

    return loop


def failing_sync(call: Callable[..., Any], fn: Callable[..., Any]) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            try:
                call(fn, 1)
            except Exception:  # noqa: BLE001, S112
                continue

    return loop


def failing_decorated_sync(guarded: Callable[..., Any]) -> Loop:
    async def loop(calls: int) -> None:
        for _ in range(calls):
            try:
                guarded(1)
            except Exception:  # noqa: BLE001, S112
                continue

    return loop
