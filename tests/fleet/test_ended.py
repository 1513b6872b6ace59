"""What is told of an exchange that has ended with something unsent, or whose loop does not run."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import HybridBreaker
from fastapi_hybrid_breaker.fleet import session as session_module
from fastapi_hybrid_breaker.fleet import starts, supervised
from fastapi_hybrid_breaker.fleet.supervised import is_ending
from tests.patience import PATIENCE

from .instances import CONFIG, cut_off, fail, fleet, settled, until
from .links import sync
from .sessions import asyncio_task_of, current_session, session_of, set_last_look, tasks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .proxy import Proxy
    from .server import Server

KEYS = [f"key-{at}" for at in range(500)]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Any]:
    caplog.set_level(logging.WARNING, "fastapi_hybrid_breaker")
    return lambda: [one.getMessage() for one in caplog.records if "has ended" in one.getMessage()]


async def open_all(breaker: HybridBreaker, keys: list[str]) -> None:
    for key in keys:
        await fail(breaker, key)


# -- a stop -----------------------------------------------------------------------------------


async def test_a_stop_dropped_thousands_of_changes_without_a_word(
    server: Server, monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    async with fleet(server, 1) as (breaker,):
        await open_all(breaker, KEYS)
        monkeypatch.setattr(session_module, "_WAIT_TO_DRAIN", 0.0)
    missing = sum(server.hash(key) == {} for key in KEYS)
    assert missing > 0
    (line,) = lines()
    number = int(line.partition("changes of ")[2].partition(" ")[0])
    assert missing <= number <= len(KEYS)  # what is under way may arrive, or may not
    assert "'key-" in line
    status = breaker.sync_status()
    assert (status.state, status.error) == ("disabled", line)
    assert breaker.health().status == "degraded"
    async with breaker:  # and nothing of it is lost to this process
        await until(lambda: all(server.hash(key).get("state") == "OPEN" for key in KEYS))
        await until(lambda: sync(breaker) == "connected")
        assert breaker.sync_status().error is None
    assert breaker.sync_status().error is None


async def test_a_stop_that_sends_all_says_nothing(server: Server, lines: Any) -> None:
    async with fleet(server, 1) as (breaker,):
        await open_all(breaker, KEYS[:5])
        await settled(breaker)
    assert lines() == []
    assert breaker.sync_status().error is None


async def test_a_stop_while_redis_is_away_says_what_it_has_not_heard(
    link: Proxy, lines: Any
) -> None:
    breaker = HybridBreaker(redis=link.url, defaults=CONFIG)
    async with breaker:
        await until(lambda: sync(breaker) == "connected")
        link.hold()
        await until(lambda: sync(breaker) == "isolated")
        await fail(breaker, "db")
        assert await breaker.reset("api", by="ann") == "queued"
        await breaker.override("old", "disabled", by="ann", reason="x", seconds=None)
    (line,) = lines()
    assert "3 circuits" in line
    assert all(repr(key) in line for key in ("db", "api", "old"))


async def test_a_start_that_is_cancelled_says_it_too(
    server: Server, monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    server.hang()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await fail(breaker, "db")
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0)
    start.cancel()
    await asyncio.wait([start])
    (line,) = lines()
    assert "1 circuit reached Redis: 'db'" in line


def test_a_loop_that_is_closed_without_a_stop_says_it_too(server: Server, lines: Any) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)

    async def left() -> None:
        await breaker.start()
        await cut_off(breaker)
        await fail(breaker, "db")

    asyncio.run(left())
    status = breaker.sync_status()
    assert status.state == "disabled"
    assert "closed without a stop" in (status.error or "")
    assert "'db'" in (status.error or "")
    assert breaker.health().status == "degraded"
    assert len(lines()) == 1


# -- a loop that does not run -----------------------------------------------------------------


class Standstill:
    """A breaker on an event loop in a thread of its own, which can be held up."""

    def __init__(self, url: str) -> None:
        self.breaker = HybridBreaker(redis=url, defaults=CONFIG)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.go_on = threading.Event()
        self.run(self.breaker.start())

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def hold(self) -> None:
        self.loop.call_soon_threadsafe(self.go_on.wait, PATIENCE)

    def halt(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)

    def end(self) -> None:
        self.go_on.set()
        if not self.thread.is_alive():
            self.loop.run_until_complete(self.breaker.stop())
        else:
            self.run(self.breaker.stop())
            self.halt()
        self.loop.close()


@pytest.fixture
def standstill(server: Server) -> Iterator[Standstill]:
    one = Standstill(server.url)
    yield one
    one.end()


@pytest.mark.parametrize("how", ["hold", "halt"])
async def test_a_loop_that_stands_still_said_that_it_is_connected(
    standstill: Standstill, how: str
) -> None:
    breaker = standstill.breaker
    await until(lambda: sync(breaker) == "connected")
    connected_since = breaker.sync_status().since
    getattr(standstill, how)()
    await until(lambda: sync(breaker) == "isolated")
    status = breaker.sync_status()
    assert "the event loop in which the breaker was started does not run" in (status.error or "")
    assert status.since >= connected_since
    assert breaker.health().status == "degraded"
    if how == "hold":
        standstill.go_on.set()
        await until(lambda: sync(breaker) == "connected")
        assert breaker.sync_status().error is None
        assert breaker.sync_status().since == connected_since  # the server has done nothing


async def test_a_short_stall_is_nobodys_fault(server: Server) -> None:
    async with fleet(server, 1) as (breaker,):
        await until(lambda: sync(breaker) == "connected")
        for seconds, state in ((2.5, "connected"), (3.5, "isolated")):
            # Without a turn of the loop in between, which would look again.
            stall(breaker, seconds)
            assert sync(breaker) == "connected"  # here, where the loop runs
            stall(breaker, seconds)
            seen: list[str] = []
            thread = threading.Thread(target=lambda to=seen: to.append(sync(breaker)))
            thread.start()
            thread.join(PATIENCE)
            assert seen == [state]


def stall(breaker: HybridBreaker, seconds: float) -> None:
    session = session_of(breaker)
    set_last_look(session, session.loop.time() - seconds)


# -- a program that ends while threads still use the breaker ----------------------------------


class Ending:
    """Notes when a loop was found to be ending, for a thread that waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found = threading.Semaphore(0)
        monkeypatch.setattr(supervised, "_RESTART_AFTER", 0.01)
        monkeypatch.setattr(starts, "_LOOK_EVERY", 0.01)
        for module in (supervised, starts):
            monkeypatch.setattr(module, "is_ending", self.note)
        self._is_ending = is_ending

    def note(self, loop: asyncio.AbstractEventLoop, **options: Any) -> bool:
        if not self._is_ending(loop, **options):
            return False
        self.found.release()
        return True

    def wait(self, times: int = 3) -> None:
        for _ in range(times):
            assert self.found.acquire(timeout=PATIENCE)


def test_tasks_were_started_again_on_a_loop_that_is_about_to_be_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ending = Ending(monkeypatch)
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    seen: list[Any] = []

    def use() -> None:
        for _ in range(3):
            ending.wait()
            with contextlib.suppress(ZeroDivisionError):
                breaker.circuit("db").call_sync(lambda: 1 / 0)
        session = session_of(breaker)
        seen.extend(asyncio_task_of(task) for task in tasks_of(session))

    async def main() -> None:
        await breaker.start()
        asyncio.get_running_loop().run_in_executor(None, use)

    asyncio.run(main())
    assert [task.cancelled() for task in seen] == [True, True]
    gc.collect()
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
    assert breaker.state("db") == "OPEN"
    assert breaker.sync_status().state == "disabled"


async def test_a_loop_that_is_about_to_be_closed_took_over_from_another(
    standstill: Standstill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's own loop has ended; the one that waits for it ends as well."""
    ending, breaker = Ending(monkeypatch), standstill.breaker
    first = current_session(breaker)
    ends, left = threading.Event(), threading.Event()

    def leave() -> None:
        ending.wait()
        ends.set()
        assert left.wait(PATIENCE)
        ending.wait()
        assert current_session(breaker) is None

    async def wait() -> None:
        await breaker.start()  # waits for the session of the other loop
        assert current_session(breaker) is first
        asyncio.get_running_loop().run_in_executor(None, leave)

    waiting = asyncio.create_task(asyncio.to_thread(asyncio.run, wait()))
    await until(ends.is_set)
    await asyncio.to_thread(standstill.run, breaker.stop())
    await until(lambda: current_session(breaker) is None)
    left.set()
    await waiting
    assert breaker.sync_status().state == "disabled"


def test_a_loop_that_waits_for_a_slow_task_before_it_is_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All tasks have been cancelled, and one of them takes its time to end."""
    ending = Ending(monkeypatch)
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            while not ending.found.acquire(blocking=False):
                await asyncio.sleep(0.001)

    async def main() -> asyncio.Task[None]:
        await breaker.start()
        return asyncio.create_task(slow())

    task = asyncio.run(main())
    assert task.cancelled()
    gc.collect()
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


def test_a_loop_without_tasks_may_be_in_its_last_turns_and_is_looked_at_once_more() -> None:
    """The last task has ended, and the loop has not stopped yet: nothing may be started there."""
    found: list[bool] = []
    loop = asyncio.new_event_loop()
    try:
        loop.call_soon(lambda: found.extend(is_ending(loop, looks=looks) for looks in (0, 1)))
        loop.call_soon(loop.stop)
        loop.run_forever()
    finally:
        loop.close()
    assert found == [True, False]


async def test_tasks_that_are_cancelled_and_go_on_do_not_end_sharing_for_good(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "_RESTART_AFTER", 0.01)
    async with fleet(server, 1) as (breaker,):
        await until(lambda: sync(breaker) == "connected")
        for task in asyncio.all_tasks():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # and goes on, without a word to asyncio
        await until(lambda: sync(breaker) == "isolated")
        await until(lambda: sync(breaker) == "connected")
    while (task := asyncio.current_task()) is not None and task.uncancel():
        pass


async def test_a_loop_in_which_other_tasks_go_on_is_not_about_to_be_closed() -> None:
    waiting = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    waiting.cancel()
    assert not is_ending(asyncio.get_running_loop())
    await asyncio.wait([waiting])
