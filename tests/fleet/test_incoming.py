"""What guarded calls hand to the fleet's part: from any thread, taken in on its event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

from fastapi_hybrid_breaker import CircuitConfig, CircuitOpenError, HybridBreaker
from fastapi_hybrid_breaker.fleet.incoming import _MOST_AT_ONCE, Incoming
from tests import inside

from .instances import fail, fleet, settled, until
from .sessions import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi_hybrid_breaker import Circuit

    from .server import Server

KEY = "inventory-api"


class Inbox:
    """An ``Incoming`` on the running loop, and what became of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wakings = self.times = self.closed = 0
        self.failed: list[str] = []
        self.seen: list[str] = []
        self.on_look: Callable[[Circuit], object] = lambda circuit: None
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def count(*args: Any, **kwargs: Any) -> Any:
            self.wakings += 1
            return wake(*args, **kwargs)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        self.incoming = make_incoming(loop, self, self._taken_in, self._failed)

    def changed(self, circuit: Circuit, rejected: int) -> None:
        self.seen.append(f"{circuit.key} changed, {rejected} rejected")
        self.on_look(circuit)

    def touched(self, circuit: Circuit, rejected: int) -> None:
        self.seen.append(f"{circuit.key} touched, {rejected} rejected")
        self.on_look(circuit)

    def _taken_in(self) -> None:
        self.times += 1

    def _failed(self, what: str, error: Exception) -> None:
        self.failed.append(f"{what}: {error}")


def make_incoming(
    loop: asyncio.AbstractEventLoop,
    exchange: Any,
    taken_in: Callable[[], object] = lambda: None,
    failed: Callable[[str, Exception], object] = lambda what, error: None,
    closed: Callable[[], object] = lambda: None,
) -> Incoming:
    return Incoming(
        loop, exchange, taken_in=taken_in, failed=failed, closed=closed, context=Context()
    )


@pytest.fixture
async def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    return Inbox(monkeypatch)


async def test_the_loop_is_woken_once_however_much_comes_before_it_looks(inbox: Inbox) -> None:
    done: list[int] = []
    for number in range(100):
        inbox.incoming.put(lambda n=number: done.append(n))
    assert (inbox.wakings, done, len(inbox.incoming)) == (1, [], 100)
    await until(lambda: len(done) == 100)
    assert (done, inbox.times, len(inbox.incoming)) == (list(range(100)), 1, 0)
    inbox.incoming.put(lambda: done.append(100))
    await until(lambda: done[-1] == 100)
    assert (inbox.wakings, inbox.times) == (2, 2)


async def test_a_circuit_is_looked_at_once_for_all_that_happens_before(inbox: Inbox) -> None:
    breaker = HybridBreaker(redis=None)
    a, b = breaker.circuit("a"), breaker.circuit("b")
    for _ in range(50):
        inbox.incoming.changed(a)
        inbox.incoming.changed(b)
        inbox.incoming.touched(a)
        a.rejected += 1  # what counts is how many there were when it changed
    assert inbox.wakings == 1
    await until(lambda: len(inbox.seen) == 3)
    first = ["a changed, 0 rejected", "b changed, 0 rejected", "a touched, 0 rejected"]
    assert inbox.seen == first
    inbox.incoming.changed(a)
    await until(lambda: inbox.seen == [*first, "a changed, 50 rejected"])


@pytest.mark.parametrize("which", ["changed", "touched"])
async def test_what_happens_amid_a_look_is_looked_at_afterwards(inbox: Inbox, which: str) -> None:
    circuit = HybridBreaker(redis=None).circuit("a")
    hand = getattr(inbox.incoming, which)

    def look(circuit: Circuit) -> None:  # and a finalizer, say, comes back to the same circuit
        if len(inbox.seen) == 1:
            hand(circuit)

    inbox.on_look = look
    hand(circuit)
    await until(lambda: inbox.seen == [f"a {which}, 0 rejected"] * 2)


async def test_one_that_fails_costs_itself_alone(inbox: Inbox) -> None:
    done: list[str] = []
    inbox.incoming.put(lambda: done.append("before"))
    inbox.incoming.put(lambda: 1 // 0)
    inbox.incoming.put(lambda: done.append("after"))
    await until(lambda: len(done) == 2)
    assert inbox.failed == ["what a call has left: integer division or modulo by zero"]
    assert inbox.times == 1


async def test_others_have_their_turn_between_very_many(inbox: Inbox) -> None:
    done: list[int] = []
    turns: list[int] = []
    for number in range(2 * _MOST_AT_ONCE + 1):
        inbox.incoming.put(lambda n=number: done.append(n))
    while len(done) < 2 * _MOST_AT_ONCE + 1:
        await asyncio.sleep(0)
        turns.append(len(done))
    assert _MOST_AT_ONCE in turns


async def test_nothing_that_threads_put_is_lost(inbox: Inbox) -> None:
    done: list[tuple[int, int]] = []

    def work(thread: int) -> None:
        for number in range(2_000):
            inbox.incoming.put(lambda n=number: done.append((thread, n)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    await until(lambda: len(done) == 8_000)
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [n for thread, n in done if thread == number] == list(range(2_000))


@pytest.mark.parametrize("is_woken", [False, True])
def test_a_loop_that_was_closed_without_a_stop_is_noticed_by_the_next_call(is_woken: bool) -> None:
    loop, closed = asyncio.new_event_loop(), list[int]()
    incoming = make_incoming(loop, None, closed=lambda: closed.append(1))
    circuit = HybridBreaker(redis=None).circuit("a")
    if is_woken:  # it ends before it has looked
        incoming.touched(circuit)
        incoming.changed(circuit)
    loop.close()
    kept = len(incoming)
    for _ in range(1_000):
        incoming.touched(circuit)
        incoming.changed(circuit)
    assert (len(incoming), len(closed)) == (kept, 2_000)


async def test_calls_rejected_before_the_opening_was_looked_at_are_among_those_that_are_measured(
    server: Server,
) -> None:
    config = CircuitConfig(failure_threshold=1, success_threshold=1, recovery_timeout=0.3)
    async with fleet(server, 1, defaults=config) as (a,):
        circuit = a.circuit(KEY)
        await settled(a)
        await fail(a, KEY, times=1)
        for _ in range(1_000):  # at once: nothing has been looked at yet
            with pytest.raises(CircuitOpenError):
                circuit.call_sync(int)
        await until(lambda: inside.of(circuit).calls_per_second is not None)
        assert inside.of(circuit).calls_per_second > 100


async def test_a_defect_in_what_a_call_leaves_is_logged_and_counted(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fleet(server) as (a, b):
        session = session_of(a)
        monkeypatch.setattr(session.exchange, "touched", lambda *about: 1 // 0)
        b.circuit(KEY)
        with caplog.at_level(logging.ERROR):
            await fail(a, KEY, times=2)
            await until(lambda: a.sync_status().dropped > 0)
        monkeypatch.undo()
        assert "internal error while sharing circuits" in caplog.text
        assert "ZeroDivisionError" in caplog.text
        await fail(a, KEY, times=1)
        await until(lambda: b.state(KEY) == "OPEN")
        assert a.sync_status().state == "connected"
