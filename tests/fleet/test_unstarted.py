"""A breaker that is never started says so once; the context of what runs in the background."""

from __future__ import annotations

import asyncio
import os
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from fastapi_hybrid_breaker import HybridBreaker
from tests import inside

from .instances import CONFIG, fail, fleet, succeed, until
from .links import sync
from .no_loop import drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from .server import Server


KEY = "inventory-api"


# -- never started --------------------------------------------------------------------------------


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "never been started" in one.getMessage()]


async def _done() -> None:
    pass


WAYS: dict[str, Callable[[HybridBreaker], Any]] = {
    "call": lambda breaker: drive(breaker.circuit(KEY).call(_done)),
    "call_sync": lambda breaker: breaker.circuit(KEY).call_sync(len, ""),
    "execute": lambda breaker: drive(breaker.execute(KEY, len, "")),
    "guard": lambda breaker: breaker.circuit(KEY).guard().__enter__(),
    "decorated": lambda breaker: drive(breaker.circuit(KEY)(_done)()),
    "admit": lambda breaker: inside.admit(breaker.circuit(KEY), is_route=True),
}


@pytest.mark.parametrize("way", WAYS)
def test_first_guarded_call_of_a_breaker_that_is_never_started_warns_once(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    breaker = HybridBreaker(redis="redis://127.0.0.1:1", defaults=CONFIG)
    held = breaker.circuit(KEY)
    held.stats()
    assert warnings_in(caplog) == []
    assert breaker.health().status == "degraded"
    assert "never been started" in (breaker.health().sync.error or "")
    for _ in range(3):
        WAYS[way](breaker)
        drive(breaker.execute("another", len, ""))
    assert len(warnings_in(caplog)) == 1
    assert inside.of(held).free_permit is not None  # calls are as quick again as before


def test_first_calls_of_many_threads_warn_once(caplog: pytest.LogCaptureFixture) -> None:
    breaker = HybridBreaker(redis="redis://127.0.0.1:1", defaults=CONFIG)
    together = threading.Barrier(8)

    def call() -> None:
        together.wait()
        breaker.circuit(KEY).call_sync(len, "")

    threads = [threading.Thread(target=call) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("redis_there", [True, False])
async def test_a_breaker_that_was_started_and_one_without_redis_warn_of_nothing(
    server: Server, caplog: pytest.LogCaptureFixture, redis_there: bool
) -> None:
    breaker = HybridBreaker(redis=server.url if redis_there else None, defaults=CONFIG)
    if redis_there:
        async with breaker:
            await succeed(breaker, KEY)
    await succeed(breaker, KEY)
    assert warnings_in(caplog) == []
    assert (breaker.health().status, breaker.sync_status().error) == ("ok", None)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_child_of_a_fork_that_does_not_start_says_so(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(server, 1) as (a,):
        await succeed(a, KEY)
        child = os.fork()
        if child == 0:  # pragma: no cover - measured in the parent only
            said = "never been started" in (a.sync_status().error or "")
            a.circuit(KEY).call_sync(len, "")
            os._exit(0 if said and len(warnings_in(caplog)) == 1 else 1)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert a.sync_status().error is None


# -- the background's context ---------------------------------------------------------------------

SPAN: ContextVar[str] = ContextVar("SPAN", default="none")


async def test_the_background_is_part_of_nothing_that_goes_on_where_it_is_started(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans of what instruments the client of Redis have no parent."""
    seen: set[str] = set()

    def note(original: Any) -> Any:
        def noted(*args: Any, **options: Any) -> Any:
            seen.add(SPAN.get())
            return original(*args, **options)

        return noted

    monkeypatch.setattr("redis.asyncio.Redis.pipeline", note(redis.asyncio.Redis.pipeline))
    monkeypatch.setattr("redis.asyncio.Redis.pubsub", note(redis.asyncio.Redis.pubsub))
    SPAN.set("whatever starts it")
    async with fleet(server) as (a, b):
        heard: list[str] = []
        b.circuit(KEY)
        b.on_change(lambda change: heard.append(SPAN.get()))
        await fail(a, KEY)
        await until(lambda: len(heard) == 1)
        await a.reset(KEY)
        await until(lambda: len(heard) == 2)
        for task in asyncio.all_tasks():
            if task.get_name().startswith("circuits: "):
                task.cancel()
        await until(lambda: sync(a) == "isolated")
        await until(lambda: sync(a) == "connected")
    assert seen == {"none"}
    assert heard == ["none", "none"]
