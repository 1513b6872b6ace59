"""Starts and stops that overlap, are cancelled, come from other event loops, or never come."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import Future
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastapi_hybrid_breaker import CircuitConfig, HybridBreaker
from tests import inside
from tests.patience import PATIENCE

from .instances import CONFIG, fail, fleet, succeed, until
from .links import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from .server import Server

KEY = "inventory-api"

HANG = 30.0
"""A bound against hanging."""


class Loop:
    """A second event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End without a stop."""
        if not self.loop.is_closed():
            for task in asyncio.all_tasks(self.loop):
                self.loop.call_soon_threadsafe(task.cancel)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(PATIENCE)
            self.loop.run_until_complete(asyncio.sleep(0.05))  # what was cancelled ends
            self.loop.close()


@pytest.fixture
def other() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


# -- overlapping ------------------------------------------------------------------------------


async def test_start_during_a_stop_is_shared_afterwards(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    first = breaker.instance
    stop = asyncio.create_task(breaker.stop())
    await asyncio.sleep(0)
    await breaker.start()
    await stop
    assert sync(breaker) == "connected"
    assert breaker.instance not in {"", first}
    await fail(breaker, KEY)
    await until(lambda: server.hash(KEY).get("state") == "OPEN")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_stop_during_a_start_ends_it_and_nobody_waits(server: Server) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    server.hang()
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0.01)
    async with asyncio.timeout(HANG):
        await breaker.stop()
        await start
    assert sync(breaker) == "disabled"
    assert asyncio.all_tasks() == before


async def test_a_start_that_is_stopped_while_it_waits_for_another_stop_starts_nothing(
    server: Server,
) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    waiting = []
    for act in (breaker.stop, breaker.start, breaker.stop):
        waiting.append(asyncio.create_task(act()))
        await asyncio.sleep(0)
    async with asyncio.timeout(HANG):
        await asyncio.gather(*waiting)
    assert sync(breaker) == "disabled"
    assert asyncio.all_tasks() == before


async def test_a_stop_too_many_does_not_keep_the_first_one_from_sending(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    keys = [f"{KEY}-{at}" for at in range(120)]  # more than one round trip
    for key in keys:
        await fail(breaker, key)
    first = asyncio.create_task(breaker.stop())
    await asyncio.sleep(0)
    await asyncio.gather(first, breaker.stop())
    assert [key for key in keys if server.hash(key).get("state") != "OPEN"] == []


async def test_a_start_cancelled_while_redis_hangs_leaves_nothing_behind(server: Server) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    server.hang()
    start = asyncio.create_task(breaker.start())
    await asyncio.sleep(0.01)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert asyncio.all_tasks() == before
    assert sync(breaker) == "disabled"
    server.resume()
    async with breaker:
        await until(lambda: sync(breaker) == "connected")


async def test_one_of_two_starts_cancelled_leaves_the_other_ones_session(server: Server) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    server.hang()
    starts = [asyncio.create_task(breaker.start()) for _ in range(2)]
    await asyncio.sleep(0.01)
    starts[0].cancel()
    await asyncio.wait(starts)
    assert sync(breaker) == "isolated"
    server.resume()
    await until(lambda: sync(breaker) == "connected")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_a_stop_cancelled_while_it_sends_ends_all_the_same(server: Server) -> None:
    before = asyncio.all_tasks()
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await breaker.start()
    server.hang()
    await fail(breaker, KEY)
    stop = asyncio.create_task(breaker.stop())
    await asyncio.sleep(0.01)
    stop.cancel()
    await asyncio.wait([stop])
    await until(lambda: sync(breaker) == "disabled")
    await until(lambda: asyncio.all_tasks() == before)


class Model:
    """What callers expect: a start counts until it is stopped, or is cancelled itself."""

    def __init__(self, breaker: HybridBreaker) -> None:
        self.breaker = breaker
        self.stretch = [0]  # how many starts; a new one after each time there were none

    async def start(self) -> None:
        stretch = self.stretch
        stretch[0] += 1
        try:
            await self.breaker.start()
        except asyncio.CancelledError:
            if stretch is self.stretch:
                self._less()
            raise

    async def stop(self) -> None:
        self._less()
        await self.breaker.stop()

    def _less(self) -> None:
        if self.stretch[0]:
            self.stretch[0] -= 1
        if not self.stretch[0]:
            self.stretch = [0]


STEPS = st.lists(
    st.one_of(
        st.sampled_from(["start", "stop", "wait", "settle"]),
        st.tuples(st.just("turns"), st.integers(1, 12)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
    ),
    max_size=14,
)


async def play(server: Server, steps: list[Any]) -> None:
    before = asyncio.all_tasks()
    model = Model(HybridBreaker(redis=server.url, defaults=CONFIG))
    tasks: list[asyncio.Task[None]] = []
    for step in steps:
        match step:
            case "start":
                tasks.append(asyncio.create_task(model.start()))
            case "stop":
                tasks.append(asyncio.create_task(model.stop()))
            case "wait":
                await asyncio.sleep(0.01)
            case "settle":
                await asyncio.gather(*tasks, return_exceptions=True)
            case ("turns", int(turns)):
                for _ in range(turns):
                    await asyncio.sleep(0)
            case ("cancel", int(which)) if which < len(tasks):
                tasks[-1 - which].cancel()
    async with asyncio.timeout(HANG):
        await asyncio.gather(*tasks, return_exceptions=True)
    left = model.stretch[0]
    if left:
        assert sync(model.breaker) != "disabled"
        server.resume()
        await until(lambda: sync(model.breaker) == "connected")
        for _ in range(left):
            assert sync(model.breaker) == "connected"
            await model.breaker.stop()
    await until(lambda: sync(model.breaker) == "disabled")
    await until(lambda: asyncio.all_tasks() == before)


@pytest.mark.parametrize("hangs", [False, True])
def test_starts_and_stops_end_as_their_callers_expect_in_any_order(
    server: Server, hangs: bool
) -> None:
    def run(steps: list[Any]) -> None:
        if hangs:
            server.hang()
        try:
            asyncio.run(play(server, steps))
        finally:
            server.resume()

    # pytest-asyncio is of no use here: each example has a loop of its own.
    given(STEPS)(
        settings(
            max_examples=12 if hangs else 60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )(run)
    )()


# -- more than one event loop -----------------------------------------------------------------


async def test_second_loop_goes_on_with_sharing_when_the_first_one_stops(
    server: Server, other: Loop
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await other.run(breaker.start())
    first = breaker.instance
    await breaker.start()
    assert breaker.instance == first
    await other.run(breaker.stop())
    await until(lambda: sync(breaker) == "connected")
    assert breaker.instance != first
    await fail(breaker, KEY)
    await until(lambda: server.hash(KEY).get("state") == "OPEN")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_second_loop_goes_on_with_sharing_when_the_first_one_ends_without_a_stop(
    server: Server, other: Loop
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await other.run(breaker.start())
    await breaker.start()
    await asyncio.to_thread(other.close)
    assert sync(breaker) == "disabled"
    await until(lambda: sync(breaker) == "connected")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_start_during_the_stop_of_another_loop_takes_over(
    server: Server, other: Loop
) -> None:
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG)
    await other.run(breaker.start())
    stop = asyncio.create_task(other.run(breaker.stop()))
    await asyncio.sleep(0)
    await breaker.start()
    await stop
    await until(lambda: sync(breaker) == "connected")
    await breaker.stop()
    assert sync(breaker) == "disabled"


async def test_second_loop_that_has_stopped_does_not_take_over(server: Server, other: Loop) -> None:
    async with fleet(server, 1) as (breaker,):
        await other.run(breaker.start())
        await other.run(breaker.stop())
        instance = breaker.instance
    assert sync(breaker) == "disabled"
    await asyncio.sleep(0.01)
    assert breaker.instance == "" != instance


def test_probes_go_on_after_a_loop_that_ended_without_a_stop(server: Server) -> None:
    """Nobody is left who could ask for the right to probe."""
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.05)
    breaker = HybridBreaker(redis=server.url, defaults=config)

    async def left() -> None:
        await breaker.start()
        await fail(breaker, KEY, times=1)

    asyncio.run(left())

    async def again() -> None:
        await until(lambda: breaker.stats(KEY).retry_after == 0)
        await succeed(breaker, KEY)

    asyncio.run(again())
    assert breaker.state(KEY) == "CLOSED"
    assert (sync(breaker), breaker.peers.has_fleet) == ("disabled", False)


# -- no event loop at all -----------------------------------------------------------------------


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing, without any event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


def test_without_redis_everything_works_under_any_event_loop() -> None:
    breaker = HybridBreaker(redis=None, defaults=CONFIG)

    async def life() -> None:
        async with breaker, breaker.lifespan():
            await fail(breaker, KEY)
            assert breaker.state(KEY) == "OPEN"
            assert await breaker.reset(KEY) == "local"
            done = await breaker.override(KEY, "disabled", by="ann", reason="x", seconds=60.0)
            assert done == "local"
            assert await breaker.clear_override(KEY) == "local"
            assert await breaker.instances() is None
            assert await breaker.look_up(KEY) is not None
            async with breaker.circuit(KEY).guard():
                pass
            assert await breaker.circuit(KEY).reset() == "local"
        assert breaker.health().status == "ok"

    drive(life())
    assert (sync(breaker), breaker.sync_status().error) == ("disabled", None)


# -- with every request -------------------------------------------------------------------------


async def test_starts_after_one_that_waited_in_vain_do_not_wait(server: Server) -> None:
    """As Mangum does it: a start and a stop for each invocation."""
    now = 0.0
    breaker = HybridBreaker(redis=server.url, defaults=CONFIG, clock=lambda: now)
    server.hang()
    await breaker.start()
    await breaker.stop()
    turns: list[Any] = []
    for _ in range(20):
        starting = asyncio.create_task(breaker.start())
        for _turn in range(5):
            await asyncio.sleep(0)
            if starting.done():
                break
        turns.append(starting.done())
        assert sync(breaker) == "isolated"
        await starting
        await breaker.stop()
    assert turns == [True] * 20
    server.resume()
    now = 31.0  # it is worth a wait again, lest nobody ever gets to know
    await breaker.start()
    assert sync(breaker) == "connected"
    await breaker.stop()
    await breaker.start()
    assert sync(breaker) == "connected"  # and from now on each start waits
    await breaker.stop()


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
